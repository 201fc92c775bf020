"""What a request says about itself: its program, what follows it, its prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from treadle.core.json_value import compact_json
from treadle.serving.hints import PREFIX
from treadle.serving.router.errors import RouterError

SESSION_HEADERS = (
    "x-treadle-program",
    "x-session-id",
    "session-id",
    "x-dynamo-session-id",
)
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class CallFacts:
    """A request as the router understands it; None and "" where it does not say.

    program_id: from a hint, a session or, in `guessed`, from how the conversation begins.
    deadline_seconds: from now until the program should be done. last_call: whether the program
        ends with it. counted_tokens: of a prompt that is given as tokens.
    """

    program_id: str
    guessed: bool
    branch: str
    model: str
    prompt: str
    has_tools: bool
    streamed: bool
    purpose: str = ""
    next_tool: str = ""
    next_tool_pattern: str = ""
    next_tool_seconds: float | None = None
    remaining_calls: float | None = None
    remaining_seconds: float | None = None
    deadline_seconds: float | None = None
    last_call: bool | None = None
    counted_tokens: int | None = None


def facts_of(body: Mapping[str, object], headers: Mapping[str, str]) -> CallFacts:
    """The facts of a request; header names in lower case.

    Raises RouterError (`bad_hint`, 400) for a hint that is not of its type: silently doing
    without it would look like a router that does not work.
    """
    hint = _Hint(body, headers)
    prompt = prompt_text(body)
    said = hint.program()
    return CallFacts(
        program_id=said or fingerprint(body),
        guessed=not said,
        branch=hint.text("branch")
        or hint.text("step_id")
        or headers.get("x-treadle-branch", "")[:_LONGEST_NAME],
        model=_text_or_empty(body.get("model")),
        prompt=prompt,
        has_tools=bool(body.get("tools")),
        streamed=body.get("stream") is True,
        purpose=hint.text("purpose") or headers.get("x-treadle-purpose", ""),
        next_tool=hint.text("next_tool"),
        next_tool_pattern=hint.text("next_tool_pattern"),
        next_tool_seconds=hint.number("next_tool_seconds"),
        remaining_calls=hint.number("remaining_calls"),
        remaining_seconds=hint.number("remaining_seconds"),
        deadline_seconds=hint.number("deadline_seconds", header="x-treadle-deadline-seconds"),
        last_call=None if hint.number("last_call") is None else hint.number("last_call") == 1,
        counted_tokens=_counted(body.get("prompt")),
    )


class _Hint:
    """Treadle's fields, wherever the request carries them."""

    def __init__(self, body: Mapping[str, object], headers: Mapping[str, str]) -> None:
        self._extra = _mapping(body.get("vllm_xargs"))
        self._nvext = _mapping(body.get("nvext"))
        self._body = body
        self._headers = headers

    def program(self) -> str:
        """The program or session that the client names."""
        nested = (_mapping(self._nvext.get(name)) for name in ("agent_context", "session_control"))
        candidates = (
            self._extra.get(PREFIX + "program_id"),
            self._headers.get(SESSION_HEADERS[0]),
            self._body.get("session_id"),
            *(self._headers.get(name) for name in SESSION_HEADERS[1:]),
            self._extra.get("session_id"),
            _mapping(self._nvext.get("agent_hints")).get("program_id"),
            *(each.get("session_id") for each in nested),
        )
        found = next((each for each in candidates if each is not None and each != ""), "")
        return _named("the program or session", found)

    def text(self, name: str) -> str:
        """A text of the hint, "" where it is not there."""
        return _named(PREFIX + name, self._extra.get(PREFIX + name, ""))

    def number(self, name: str, header: str | None = None) -> float | None:
        """A number of the hint that is not negative, None where it is not there."""
        value: object = self._extra.get(PREFIX + name)
        if value is None and header is not None and header in self._headers:
            name, text = header, self._headers[header]
            try:
                value = float(text)
            except ValueError:
                value = text
        if value is None:
            return None
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise RouterError(
                "bad_hint", f"{name} is {value!r:.100}, not a number of zero or more", status=400
            )
        return float(value)


def prompt_text(body: Mapping[str, object]) -> str:
    """All that the engine reads, in the order in which it usually does; to measure and compare."""
    parts = [_text_or_empty(body.get("model"))]
    for name in ("tools", "instructions", "messages", "prompt", "input"):
        value = body.get(name)
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, list):
            parts.extend(_item_text(item) for item in value)
    return "\n".join(parts)


def fingerprint(body: Mapping[str, object]) -> str:
    """A name for the conversation that `body` goes on with: a hash of how it begins.

    The beginning is all up to the first message of the user, which the next turns repeat. "" for
    requests that are no conversation. Two that begin with the same words look like one; they also
    share that much of the KV cache, so that one engine is the right place for both.
    """
    messages = body.get("messages")
    if messages is None and isinstance(body.get("input"), list):
        messages = body.get("input")
    if not isinstance(messages, list) or not messages:
        return ""
    digest = blake2b(_text_or_empty(body.get("model")).encode("utf-8", "surrogatepass"))
    for message in messages:
        digest.update(_item_text(message).encode("utf-8", "surrogatepass"))
        if isinstance(message, Mapping) and message.get("role") == "user":
            break
    return f"prefix-{digest.hexdigest()[:24]}"


def _item_text(item: object) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping) and isinstance(item.get("content"), str) and len(item) == 2:
        # By far the most common message, and ten times as fast as writing JSON.
        return f"{item.get('role')}: {item['content']}"
    return compact_json(item)


def _counted(prompt: object) -> int | None:
    tokens = isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], int)
    return len(prompt) if tokens and isinstance(prompt, list) else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text_or_empty(value: object) -> str:
    return value if isinstance(value, str) else ""


def _named(what: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise RouterError(
            "bad_hint", f"{what} is no text of at most {_LONGEST_NAME} characters", status=400
        )
    return value
