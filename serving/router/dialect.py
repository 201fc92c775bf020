"""A request in the words of the engine that gets it: fields it does not take are left out."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.serving.hint_formats.session import header_value
from treadle.serving.hints import PREFIX
from treadle.serving.router.config import EngineConfig
from treadle.serving.router.facts import SESSION_HEADERS, CallFacts

# Not parts of OpenAI's protocol; its own server answers 400 to them.
_EXTENSIONS = ("vllm_xargs", "session_id", "nvext", "kv_hints")

# Fields of the connection and not of the request (RFC 9110, 7.6.1), and what is set anew here.
_NOT_FORWARDED = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        "host", "content-length", "authorization", "accept-encoding", "expect", "cookie",
    }
)  # fmt: skip


def translated(
    body: Mapping[str, object], facts: CallFacts, engine: EngineConfig, model: str | None
) -> dict[str, object] | None:
    """What to send for `body`; None where it can be sent as it is.

    model: in place of the one that was asked for.
    """
    changed = dict(body)
    if model is not None:
        changed["model"] = model
    if engine.backend == "openai":
        for name in _EXTENSIONS:
            changed.pop(name, None)
    elif engine.plugin:
        extra = changed.get("vllm_xargs")
        fields = dict(extra) if isinstance(extra, Mapping) else {}
        if facts.program_id:
            fields[PREFIX + "program_id"] = facts.program_id
            if facts.branch:
                fields[PREFIX + "branch"] = facts.branch
        if fields:
            changed["vllm_xargs"] = fields
    else:
        _drop_hints(changed)
        if engine.backend in ("sglang", "dynamo"):
            changed.pop("vllm_xargs", None)
        if engine.backend != "dynamo":
            changed.pop("nvext", None)
        if engine.backend not in ("vllm", "dynamo"):
            changed.pop("session_id", None)
    return None if changed == body else changed


def forwarded_headers(
    headers: Mapping[str, str], facts: CallFacts, engine: EngineConfig, key: str | None
) -> dict[str, str]:
    """The headers to send to `engine`; names in lower case.

    The client's key stays here: it is for the router, and each engine has its own.
    """
    named_by_connection = {
        name.strip().lower() for name in headers.get("connection", "").split(",")
    }
    kept = {
        name: value
        for name, value in headers.items()
        if name not in _NOT_FORWARDED
        and name not in named_by_connection
        and not name.startswith("x-treadle-")
    }
    if engine.backend == "openai":
        for name in SESSION_HEADERS:
            kept.pop(name, None)
    elif engine.backend == "dynamo" and facts.program_id:
        kept["x-dynamo-session-id"] = header_value(facts.program_id)
    elif engine.backend == "sglang" and facts.program_id:
        kept["x-smg-routing-key"] = header_value(facts.program_id)
    elif engine.backend == "vllm" and facts.program_id and not facts.guessed:
        kept["x-session-id"] = header_value(facts.program_id)
    # A reply that is not compressed can be read on the way, and is not slowed down by it.
    kept["accept-encoding"] = "identity"
    if key is not None:
        kept["authorization"] = f"Bearer {key}"
    return kept


def reply_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an engine's reply that the client gets."""
    dropped = _NOT_FORWARDED | {"set-cookie", "date", "server"}
    named = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in dropped and name.lower() not in named
    }


def _drop_hints(body: dict[str, object]) -> None:
    extra = body.get("vllm_xargs")
    if not isinstance(extra, Mapping):
        return
    kept = {name: value for name, value in extra.items() if not str(name).startswith(PREFIX)}
    if kept:
        body["vllm_xargs"] = kept
    else:
        del body["vllm_xargs"]
