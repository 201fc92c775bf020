"""Headers that name a session, for the routers that keep one where its KV cache is."""

from __future__ import annotations

from urllib.parse import quote

from treadle.core.program import ProgramHint


def headers(hint: ProgramHint, backend: str) -> dict[str, str]:
    """`x-session-id`, which vLLM, llm-d's router and load balancers read, names the program.

    SGLang's router (SMG) pins on `x-smg-routing-key`.
    """
    program = header_value(hint.program_id)
    named = {"x-session-id": program}
    if backend == "sglang":
        named["x-smg-routing-key"] = program
    return named


def header_value(text: str) -> str:
    """`text` as it can stand in a header: what is not plain is percent-encoded."""
    return quote(text, safe="!#$&'()*+,-./:;=?@[]^_`{|}~")
