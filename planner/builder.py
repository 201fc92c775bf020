"""A plan under construction: takes steps as they arrive, keeps what is good, names what is not."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.core.errors import PlanError
from treadle.core.json_value import JsonValue, compact_json
from treadle.planner.check import check_step
from treadle.planner.order import order_errors
from treadle.planner.plan import Plan, check_answer, read_answer
from treadle.planner.reference import Parsed
from treadle.planner.step import OnFailure, Step
from treadle.tools import ToolRegistry


@dataclass(frozen=True, slots=True)
class Problem:
    """What cannot be used, and why. `document` is the step as it came, None for the plan itself."""

    error: PlanError
    document: JsonValue = None

    def described(self) -> str:
        """The problem as the model is told of it."""
        shown = "" if self.document is None else f"\n  in: {compact_json(self.document)[:2000]}"
        return f"- {self.error.code}: {self.error.message}{shown}"


class PlanBuilder:
    """Checks steps one by one against the tools and the steps before them.

    A step that needs one which has not been accepted is kept aside: it is accepted as soon as
    that one is, and is a problem if that never happens.

    on_failure: the policy of steps that name none.
    """

    def __init__(self, tools: ToolRegistry, on_failure: OnFailure = OnFailure.FAIL) -> None:
        self._tools = tools
        self._on_failure = on_failure
        self._accepted: dict[str, Step] = {}
        self._aside: dict[str, tuple[Step, JsonValue]] = {}
        self._order: dict[str, None] = {}
        self._arrived: set[str] = set()
        self._answer: Parsed | None = None
        self._awaited: set[str] = set()
        self.problems: list[Problem] = []

    @property
    def accepted(self) -> tuple[Step, ...]:
        """The good steps, in the order in which they became so."""
        return tuple(self._accepted.values())

    @property
    def waiting(self) -> tuple[str, ...]:
        """The ids of the steps that are kept until those they need are good."""
        return tuple(self._aside)

    def add(self, document: JsonValue) -> list[Step]:
        """Take a step's wire form; return the steps that are good now, in order."""
        try:
            step = Step.from_wire(self._with_policy(document))
            if self._accepted.get(step.id) == step and step.id not in self._arrived:
                return []  # said again in a repair, word for word: nothing is lost
            if step.id in self._accepted or step.id in self._arrived:
                raise PlanError("duplicate_id", "another step has this id already", step_id=step.id)
        except PlanError as error:
            self.problems.append(Problem(error, document))
            return []
        self._aside[step.id] = (step, document)
        self._arrived.add(step.id)
        self._order.pop(step.id, None)
        self._order[step.id] = None
        # A forward reference is an error in what a model writes, unless the earlier step was
        # broken and is being repaired: then those that wait for it follow.
        return self._accept_from(step.id)

    def set_answer(self, value: JsonValue) -> None:
        """Take the plan's answer."""
        try:
            self._answer = read_answer(value)
        except PlanError as error:
            self.problems.append(Problem(error))

    def end(self) -> None:
        """No more steps follow for now: what is still aside becomes a problem."""
        steps = {**self._accepted, **{step.id: step for step, _ in self._aside.values()}}
        # In the order in which they came: that is what makes a reference a forward one.
        errors = order_errors([steps[step_id] for step_id in self._order if step_id in steps])
        broken = {each.error.step_id for each in self.problems if each.error.step_id}
        for step_id, (step, document) in list(self._aside.items()):
            waits_for_repair = not broken.isdisjoint(step.needs)
            error = errors.get(step_id)
            if error is None or (error.code == "dangling_reference" and waits_for_repair):
                continue
            self.problems.append(Problem(error, document))
            broken.add(step_id)
            del self._aside[step_id]
        try:
            known = broken.union(self._accepted, self._aside)
            check_answer(self._answer, {step_id for step_id in known if step_id})
        except PlanError as error:
            self.problems.append(Problem(error))
            self._answer = None

    def take_problems(self) -> list[Problem]:
        """The problems so far, which are not reported again; what follows is a repair."""
        self._arrived.clear()
        problems, self.problems = self.problems, []
        self._awaited |= {each.error.step_id for each in problems if each.error.step_id}
        self._awaited.update(self._aside)
        return problems

    def build(self) -> Plan:
        """The plan. Raises PlanError: the first problem, or what Plan raises."""
        self.end()
        if self.problems:
            raise self.problems[0].error
        if self._aside:
            step_id, (step, _) = next(iter(self._aside.items()))
            missing = next(need for need in step.needs if need not in self._accepted)
            raise PlanError(
                "dangling_reference", f"it needs '{missing}', which is no step", step_id=step_id
            )
        return Plan(self.accepted, self._answer)

    def _accept_from(self, first: str) -> list[Step]:
        accepted: list[Step] = []
        candidates = [first]
        while candidates:
            step_id = candidates.pop(0)
            if step_id not in self._aside:
                continue  # it waited for several of these and has been seen to
            step, document = self._aside[step_id]
            if not all(need in self._accepted for need in step.needs):
                continue
            del self._aside[step_id]
            try:
                check_step(step, self._tools, self._accepted)
            except PlanError as error:
                self.problems.append(Problem(error, document))
                continue
            self._accepted[step_id] = step
            accepted.append(step)
            if step_id in self._awaited:
                candidates += [
                    each for each, (other, _) in self._aside.items() if step_id in other.needs
                ]
        return accepted

    def _with_policy(self, document: JsonValue) -> JsonValue:
        if not isinstance(document, dict) or self._on_failure is OnFailure.FAIL:
            return document
        return {"on_failure": self._on_failure.value, **document}
