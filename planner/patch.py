"""PlanPatch: the one way in which a plan changes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from treadle.core.errors import PlanError
from treadle.core.json_value import JsonValue
from treadle.planner.plan import Plan, read_answer
from treadle.planner.reference import Parsed, to_wire
from treadle.planner.step import Step

_FIELDS = {"add", "replace", "drop", "answer"}


@dataclass(frozen=True, slots=True)
class PlanPatch:
    """Adds, replaces and drops steps that have not started; may set a new answer.

    Its wire form is `{"add"?: [step], "replace"?: [step], "drop"?: [id], "answer"?}`.
    """

    add: tuple[Step, ...] = ()
    replace: tuple[Step, ...] = ()
    drop: tuple[str, ...] = ()
    answer: Parsed | None = None

    @classmethod
    def from_wire(cls, document: JsonValue) -> PlanPatch:
        """Read the wire form. Raises PlanError: `bad_patch`, and what steps raise."""
        if not isinstance(document, dict) or document.keys() - _FIELDS:
            raise PlanError("bad_patch", "a patch is an object of add, replace, drop and answer")
        drop = document.get("drop")
        drop = [] if drop is None else drop
        if not isinstance(drop, list) or not all(isinstance(each, str) for each in drop):
            raise PlanError("bad_patch", "'drop' must be a list of step ids")
        return cls(
            add=_steps(document, "add"),
            replace=_steps(document, "replace"),
            drop=tuple(str(each) for each in drop),
            answer=read_answer(document.get("answer")),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> PlanPatch:
        """Read a patch from JSON text.

        Raises PlanError: `bad_patch` for what is no strict JSON, `duplicate_key`, and what
        `from_wire` raises.
        """
        try:
            document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise PlanError("bad_patch", f"it is not JSON: {error}") from None
        return cls.from_wire(document)

    def wire(self) -> dict[str, JsonValue]:
        """The wire form; `from_wire` reads it back."""
        document: dict[str, JsonValue] = {}
        if self.add:
            document["add"] = [step.wire() for step in self.add]
        if self.replace:
            document["replace"] = [step.wire() for step in self.replace]
        if self.drop:
            document["drop"] = list(self.drop)
        if self.answer is not None:
            document["answer"] = to_wire(self.answer)
        return document

    def apply(self, plan: Plan, started: Collection[str] = ()) -> Plan:
        """The next version of `plan`.

        started: ids of steps that have started; they cannot be replaced or dropped.

        Raises PlanError: `step_started`, `unknown_step`, `empty_patch`, `bad_patch`, and what
        Plan raises: nothing may go on referring to a dropped step.
        """
        if not (self.add or self.replace or self.drop or self.answer is not None):
            raise PlanError("empty_patch", "a patch that changes nothing")
        changed = (*dict.fromkeys(self.drop), *(step.id for step in self.replace))
        for index, step_id in enumerate(changed):
            if step_id in changed[:index]:
                raise PlanError(
                    "bad_patch", "it is replaced twice, or dropped as well", step_id=step_id
                )
            if step_id not in plan:
                raise PlanError("unknown_step", "the plan has no such step", step_id=step_id)
            if step_id in started:
                raise PlanError(
                    "step_started", "it has started and cannot be changed", step_id=step_id
                )
        replaced = {step.id: step for step in self.replace}
        kept = [replaced.get(step.id, step) for step in plan.steps if step.id not in self.drop]
        answer = plan.answer if self.answer is None else self.answer
        return Plan(_in_order([*kept, *self.add]), answer, plan.version + 1)


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise PlanError("duplicate_key", f"'{double[:60]}' stands twice in one object")
    return found


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON")


def _steps(document: dict[str, JsonValue], name: str) -> tuple[Step, ...]:
    steps = document.get(name)
    steps = [] if steps is None else steps
    if not isinstance(steps, list):
        raise PlanError("bad_patch", f"'{name}' must be a list of steps")
    return tuple(Step.from_wire(each) for each in steps)


def _in_order(steps: list[Step]) -> tuple[Step, ...]:
    """Steps after what they need, else in the given order: a replaced step may need a new one."""
    by_id = {step.id: step for step in steps}
    if len(by_id) < len(steps):
        return tuple(steps)  # Plan says which id is doubled
    placed: dict[str, Step] = {}
    for first in steps:
        trail = [first]
        waiting = {first.id}
        while trail:
            step = trail[-1]
            need = next((n for n in step.needs if n in by_id and n not in placed), None)
            if need is None:
                placed.setdefault(step.id, step)
                trail.pop()
            elif need in waiting:
                return tuple(steps)  # Plan names the cycle
            else:
                waiting.add(need)
                trail.append(by_id[need])
    return tuple(placed.values())
