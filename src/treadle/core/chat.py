"""The chat protocol: what a model is asked and what it streams back.

`ChatModel` is the seam between Treadle and any language model. A model streams deltas; whoever
calls it does so through `treadle.core.model_call`, which keeps budgets, hints and events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from treadle.core.json_value import JsonSchema
from treadle.core.prices import rounded
from treadle.core.program import ProgramHint

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `tool_call_id` names the call that a tool message answers.

    taint: the untrusted sources that it has come from; see `treadle.core.taint`. No model sees it.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A tool as a model sees it: `parameters` is the JSON schema of one object."""

    name: str
    description: str
    parameters: JsonSchema


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """Asks for a reply that is one JSON value matching `schema`.

    `name` says what the reply is ("plan", "decision", ...); backends show it to the model.
    """

    name: str
    schema: JsonSchema


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls, as reported by the backend (estimated where it reports none).

    cost: in the currency of the prices that the user gave; None where a model has none.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    calls: int = 0
    cost: float | None = None

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def known_cost(self) -> float | None:
        """The cost; of what was not used at all it is 0."""
        used = self.calls or self.total_tokens
        return self.cost if used or self.cost is not None else 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.calls + other.calls,
            self._cost_with(other, 1),
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cached_tokens - other.cached_tokens,
            self.calls - other.calls,
            self._cost_with(other, -1),
        )

    def _cost_with(self, other: Usage, sign: int) -> float | None:
        """One part of unknown cost makes the whole unknown."""
        if self.cost is None and other.cost is None:
            return None
        here, there = self.known_cost, other.known_cost
        return None if here is None or there is None else rounded(here + sign * there)

    def as_json(self) -> dict[str, int | float | None]:
        """The counts by name, with `total_tokens`, `model_calls` and `cost`."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "total_tokens": self.total_tokens,
            "model_calls": self.calls,
            "cost": self.cost,
        }


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call to a model. `hint` is filled in by the caller's program, not by hand."""

    messages: tuple[Message, ...]
    tools: tuple[FunctionSpec, ...] = ()
    response_schema: ResponseSchema | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    hint: ProgramHint | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next characters of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next part of the tool call at `index`; `arguments` are the next characters."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last delta of every reply; a stream that ends without one was cut."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)


ChatDelta: TypeAlias = TextDelta | ToolCallDelta | Finished


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A reply, collected."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage


@runtime_checkable
class ChatModel(Protocol):
    """A language model, or what stands in for one."""

    @property
    def name(self) -> str:
        """How events and reports name the model, as `provider:model`."""
        ...

    @property
    def structured_output(self) -> bool:
        """Whether the backend takes `response_schema`; if not, the schema belongs in the prompt."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        """Stream the reply; its last delta is `Finished`.

        Raises ModelError, with the codes of docs/errors.md. Closing the iterator ends the call.
        """
        ...

    async def aclose(self) -> None:
        """Close connections. The model is not used afterwards."""
        ...
