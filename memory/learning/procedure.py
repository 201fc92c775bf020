"""A procedure: a plan that worked, for tasks like its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TypeAlias

from treadle.core.taint import CLEAN, Labels
from treadle.memory.learning.literals import Slot
from treadle.memory.learning.outcomes import UNTRIED, Outcomes
from treadle.memory.learning.template import Wire, tools_of

FingerprintOf: TypeAlias = Callable[[str], "str | None"]
"""From the name of a tool to what changes with its schema, its code and its version; None where
there is no such tool (any more)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A literal of the task.

    open: whether two runs have shown that a planner puts the value there, whatever it is. Until
        then the plan is for this very value.
    """

    slot: Slot
    open: bool = False


@dataclass(frozen=True, slots=True)
class Procedure:
    """A plan with parameters, and how well it has done.

    task: as it was asked. template: the plan for it, in wire form.
    parameters: the literals of the task, in order.
    fingerprint: of the tools that the plan calls, as they were.
    recorded_at: when a planner wrote it last.
    version: from 1; one more each time that its tools have changed.
    """

    id: str
    task: str
    template: Wire
    parameters: tuple[Parameter, ...]
    fingerprint: str
    recorded_at: datetime
    version: int = 1
    outcomes: Outcomes = UNTRIED
    used_at: datetime | None = None
    retired_at: datetime | None = None
    source: str = ""
    taint: Labels = CLEAN

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that the plan calls."""
        return tools_of(self.template)

    def holds(self, fingerprint_of: FingerprintOf) -> bool:
        """Whether all its tools are what they were when it worked."""
        return self.fingerprint == fingerprint(self.tools, fingerprint_of)


@dataclass(frozen=True, slots=True)
class Reuse:
    """A plan for the task without a planner. It has not been checked against the tools yet.

    plan: in wire form. values: what was put in, in the task's order.
    """

    procedure: Procedure
    plan: Wire
    values: tuple[str, ...]

    @property
    def taint(self) -> Labels:
        """The untrusted sources that the author of the plan had read."""
        return self.procedure.taint


@dataclass(frozen=True, slots=True)
class Example:
    """Procedures for tasks that are like the task, the nearest first, for a planner to see."""

    procedures: tuple[Procedure, ...]

    @property
    def taint(self) -> Labels:
        """The untrusted sources that the authors of the plans had read."""
        return frozenset(label for each in self.procedures for label in each.taint)


def fingerprint(tools: Iterable[str], fingerprint_of: FingerprintOf) -> str | None:
    """One fingerprint for `tools` together; None where one of them is not there."""
    digest = blake2b(digest_size=16)
    for name in sorted(set(tools)):
        found = fingerprint_of(name)
        if found is None:
            return None
        digest.update(f"{len(name)}:{name}{len(found)}:{found}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
