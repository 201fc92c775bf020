"""What the simulation asks of an engine, be it the fast model or vLLM's own scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from treadle.serving.policy.contract import Call, ToolUse


@dataclass(frozen=True, slots=True)
class Request:
    """A call, and what the simulation knows of it beside.

    reusable_tokens: how much of its prompt the program's earlier calls had in their KV.
    output_tokens, tools, last: how it will end. Policies learn it when it has.
    """

    call: Call
    reusable_tokens: int
    output_tokens: int
    tools: tuple[ToolUse, ...]
    last: bool


@dataclass(slots=True)
class Counts:
    """Tokens, over a simulation.

    prompt, output: of the calls that were started.
    prefilled: computed for prompts, those of preempted calls again.
    hit: found in the cache, when a call was started first.
    recomputed: prefilled although the program had computed them before.
    reloaded: brought back from the CPU tier.
    prefetched: of these, before a call asked for them.
    """

    prompt: int = 0
    output: int = 0
    prefilled: int = 0
    hit: int = 0
    recomputed: int = 0
    reloaded: int = 0
    prefetched: int = 0
    preemptions: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step did: how long it took (0: nothing could be done), and the calls that ended."""

    seconds: float
    finished: list[Request] = field(default_factory=list)


class SimulatedEngine(Protocol):
    """An engine on a virtual clock."""

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        ...

    def add(self, request: Request, now: float) -> None:
        """A call arrives."""
        ...

    def step(self, now: float, horizon: float) -> Progress:
        """Go on by one step, or by several alike ones as long as they end before `horizon`.

        horizon: when the next call arrives.
        """
        ...

    def wake(self, now: float) -> float:
        """When something changes by itself after a step of no seconds; infinity for never."""
        ...

    def end_program(self, program_id: str, now: float) -> None:
        """The program is over."""
        ...
