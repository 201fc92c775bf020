"""What the executor knows of a step while a run goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue
from treadle.core.taint import CLEAN, Labels
from treadle.executor.history import Past
from treadle.planner.step import Step
from treadle.tools import Tool
from treadle.tools.artifacts import Kept


class State(Enum):
    """Where a step stands.

    pending: waits for steps that it needs. held: has its inputs, waits for the whole plan or an
    approval. ready: may start. running: has started. blocked: needs a step that failed with the
    policy `replan`, and waits for a patch. The others are final.
    """

    PENDING = auto()
    HELD = auto()
    READY = auto()
    RUNNING = auto()
    BLOCKED = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    SKIPPED = auto()
    CANCELLED = auto()
    WAITING = auto()


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.SKIPPED, State.CANCELLED, State.WAITING})
NOT_STARTED = frozenset({State.PENDING, State.HELD, State.READY, State.BLOCKED})


@dataclass(slots=True, eq=False)
class FanOut:
    """The items of a `for_each` under way. more: further items are still to come."""

    items: list[JsonValue]
    outputs: list[JsonValue]
    todo: deque[int]
    more: bool = False
    done: int = 0
    running: int = 0
    failure: ErrorInfo | None = None
    fatal: bool = False

    @classmethod
    def of(cls, items: list[JsonValue], *, more: bool = False) -> FanOut:
        """A fan-out of which nothing is done yet."""
        return cls(items, [None] * len(items), deque(range(len(items))), more)

    @property
    def has_more(self) -> bool:
        """Whether another item should start: not after a failure."""
        return self.failure is None and bool(self.todo)

    def add(self, item: JsonValue) -> None:
        """Another item has come."""
        self.todo.append(len(self.items))
        self.items.append(item)
        self.outputs.append(None)

    def take(self) -> int:
        """The index of the next item; it counts as running."""
        self.running += 1
        return self.todo.popleft()

    def restore(self, index: int, output: JsonValue) -> None:
        """Item `index` has ended in an earlier process."""
        self.done += 1
        self.outputs[index] = output

    def give(self, index: int, output: JsonValue) -> None:
        """Item `index` has ended."""
        self.done += 1
        self.running -= 1
        self.outputs[index] = output

    def fail(self, error: ErrorInfo, *, fatal: bool) -> None:
        """An item has failed; the first failure is the step's."""
        self.failure = self.failure or error
        self.fatal = self.fatal or fatal


@dataclass(slots=True, eq=False)
class Node:
    """A step with its state. `rank` is its expected remaining path in seconds."""

    step: Step
    tool: Tool
    state: State = State.PENDING
    unmet: int = 0
    dependents: list[Node] = field(default_factory=list)
    rank: float = 0.0
    output: Kept = None
    error: ErrorInfo | None = None
    fan_out: FanOut | None = None
    ended_seq: int = -1
    """The number of the event that records its end in this process."""
    hands_on: bool = False
    """It has ended with an output that its dependents can use."""
    by_condition: bool = False
    """Skipped because a `when` did not hold, here or above: nothing went wrong."""
    fatal: bool = False
    """Failed in a way that makes the run fail, unless it can be replanned and is."""
    can_be_replanned: bool = False
    """Failed in a way that a patch or an answer can take care of."""
    version: int = 1
    """Of the plan that introduced the step."""
    past: Past | None = None
    """What an earlier process has done of it; None where none has."""
    in_doubt: bool = False
    """A call with effects was cut short, and only a person can tell what became of it."""
    waits: ErrorInfo | None = None
    """What its call waits for, where that said so itself; it is in doubt then."""
    reads: Node | None = None
    """The step whose items it can take one by one, while they come."""
    streamed: list[JsonValue] | None = None
    """The items that have come so far, while it runs and gives them one by one."""
    edited: dict[str, JsonValue] | None = None
    """What a person put in place of its arguments."""
    agreed: Mapping[int | None, str] | None = None
    """Hashes of the arguments, by item, that a policy or a person has seen; no others may run."""
    author: Labels = CLEAN
    """The labels of whoever wrote the step; see `treadle.core.taint`."""
    gathered: Labels = CLEAN
    """The labels of what its calls have read by themselves."""
    taint: Labels | None = None
    """The labels of its output, once that is there."""


@dataclass(slots=True, eq=False)
class Call:
    """One attempt of a step, or of one item of its fan-out, at its tool."""

    node: Node
    index: int | None = None
    attempt: int = 1
    first: int = 1
    """The number of its first attempt in this process."""
    abandoned: bool = False
    """It ignored its cancellation; whatever it still gives does not count."""
    timed_out: bool = False
    """It was cancelled because its time was up."""
    deadline: float = float("inf")
    """Loop time at which its time is up."""
    gathered: Labels = CLEAN
    """The labels of what it has read by itself."""

    @classmethod
    def next_of(cls, node: Node, index: int | None) -> Call:
        """The first attempt in this process, numbered after those of earlier ones."""
        number = 1 if node.past is None else node.past.attempts + 1
        return cls(node, index, number, number)
