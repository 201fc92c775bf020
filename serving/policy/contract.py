"""What an engine asks of a scheduling policy: the plugin, the router and the simulator alike.

An engine here is whatever holds KV caches: it tells the policy what happens, in the order in which
it happens, and asks it five things: in which order calls wait (`rank`), whether a call may take
KV now (`admits`), how long the KV of a finished call is held (`finished`), which held KV to let go
when there is none free (`release`), and, where there is a slower tier, when to bring such KV back
before a call asks for it (`prefetch`). A policy holds no KV and starts nothing itself.

Times are seconds on the engine's monotonic clock, sizes are tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Rank: TypeAlias = tuple[float, ...]
"""Calls wait in the order of their ranks, smallest first; ranks of one policy are equally long."""

BranchKey: TypeAlias = tuple[str, str]
"""A program's id and one of its branches."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call that follows a model call.

    tool: its class, e.g. "Bash:pytest"; "" where it is not known which tool it is.
    pattern: what is alike in calls that are alike (a hash of the arguments), "" where not known.
    expected_seconds: what the sender of the hint expects, None where it does not say.
    """

    tool: str
    pattern: str = ""
    expected_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One model call, as an engine sees it when it arrives.

    call_id: unique in the engine.
    program_id: the program it belongs to; "" for a call that belongs to none.
    branch: the branch of the program that it extends; "" for the trunk. Calls of a program whose
        branches differ may run at the same time, calls of one branch follow each other.
    prompt_tokens: the length of the prompt.
    arrived: when it arrived.
    remaining_calls: model calls that the sender expects after this one on the way to the
        program's end; None where it does not know.
    remaining_seconds: expected length of the critical path after this call, likewise.
    tenant: who pays, for fair shares; "" where nobody is named.
    deadline: when the program should be done, on the engine's clock; None where it does not say.
    """

    call_id: str
    program_id: str
    branch: str
    prompt_tokens: int
    arrived: float
    remaining_calls: float | None = None
    remaining_seconds: float | None = None
    tenant: str = ""
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    context_tokens: prompt and output together, what its KV covers.
    output_tokens: what was generated.
    tools: what runs before the next call of this branch; empty where that is not known.
    last: whether the branch ends here: its KV is of no more use.
    """

    context_tokens: int
    output_tokens: int
    tools: tuple[ToolUse, ...] = ()
    last: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """KV that is held for the next call of a branch.

    tokens: how many are held; the engine may have let go of the rest before.
    since, until: when the hold began, and when it ends by itself.
    """

    program_id: str
    branch: str
    tokens: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Pool:
    """The engine's KV pool at one moment, in tokens.

    capacity: all of it.
    running: in use by calls that run.
    held: in holds. What is neither is free: it may still have cached KV in it, until it is needed.
    running_calls, waiting_calls: how many there are.
    reload_rate: tokens a second that come back from a slower tier (CPU memory); None without one.
    """

    capacity: int
    running: int
    held: int
    running_calls: int
    waiting_calls: int
    reload_rate: float | None = None

    @property
    def free(self) -> int:
        """Tokens that can be had without letting go of a hold."""
        return self.capacity - self.running - self.held


class SchedulingPolicy(Protocol):
    """Decides about order, admission and retention; see the module's text.

    For one call, an engine calls `arrived`, then `rank` and `admits` as often as it likes, then
    `started`, any number of (`preempted`, `started`), and either `finished` or `aborted`. It calls
    `lost` for holds that it ended itself, and `ended` when it learns that a program is over, and
    for programs that it gave up.
    """

    @property
    def name(self) -> str:
        """How the command line and reports name it."""
        ...

    def arrived(self, call: Call, now: float) -> None:
        """`call` came in and waits."""
        ...

    def rank(self, call: Call, now: float) -> Rank:
        """Its place among those that wait; must not change anything."""
        ...

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        """Whether it may take KV now; must not change anything.

        Where it refuses every call while nothing runs and nothing is held, the engine takes the
        first in rank; while something is held, its program will be back, or its hold ends.
        """
        ...

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        """The holds to let go so that `call` finds `tokens` more than are free; in this order.

        Empty, or not enough: the call waits. must: it may not wait (it runs already and would be
        preempted, or nothing runs that would ever make room); what is missing after this answer
        the engine takes itself, the youngest program first. The call's own hold is not among them.
        """
        ...

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        """It runs (again), with so many tokens of its prompt found in the cache."""
        ...

    def preempted(self, call: Call, now: float) -> None:
        """It lost its KV and waits again."""
        ...

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        """It ended; returns until when to hold its KV, `now` or earlier for not at all.

        Minus infinity: the KV is of no more use, and the first to go when room is needed.
        """
        ...

    def aborted(self, call: Call, now: float) -> None:
        """It ended without an outcome: its client is gone."""
        ...

    def lost(self, program_id: str, branch: str, now: float) -> None:
        """A hold has ended that neither `release` chose nor the branch's next call took over."""
        ...

    def ended(self, program_id: str, now: float) -> None:
        """The program is over, whatever it had."""
        ...

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        """When to load what a branch that is away has in the slower tier: before it comes back.

        Asked where there is such a tier, of branches whose KV is not held, again and again at the
        times that this returns. `now` or earlier: now, if there is room. Infinity: not at all.
        """
        ...

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        """That load has begun; returns until when to hold what it brings, as `finished` does.

        What does not come after all is `lost`.
        """
        ...

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        """The engine took a step: tokens prefilled and decoded, KV read, and how long it took."""
        ...
