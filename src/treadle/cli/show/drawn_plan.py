"""The plan of a run, as far as its events tell, for drawing."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.cli.show.timeline import StepLine, readable
from treadle.core.errors import PlanError
from treadle.planner.plan import Plan
from treadle.planner.step import Step


def drawn_plan(steps: Sequence[StepLine]) -> Plan | None:
    """A plan of `steps`, which stand in a possible order; None where there are none.

    Needs outside of `steps` are left out. A step whose wire form was erased, is damaged or does
    not fit what the events say of its needs is drawn by its id, tool and needs alone.
    """
    drawn: list[Step] = []
    known: set[str] = set()
    for line in steps:
        needs = tuple(need for need in line.needs if need in known)
        drawn.append(_step(line, needs))
        known.add(line.id)
    return Plan(tuple(drawn)) if drawn else None


def _step(line: StepLine, needs: tuple[str, ...]) -> Step:
    plain = Step(id=line.id, tool=line.tool, after=needs)
    try:
        read = Step.from_wire(readable(line.wire))
    except PlanError:
        return plain
    fits = read.id == line.id and read.tool == line.tool and set(read.needs) == set(needs)
    return read if fits else plain
