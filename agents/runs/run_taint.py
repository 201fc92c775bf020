"""The labels of a run as a whole: of its task, of what its models were shown, of its answer."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.agents.runs.plan_labels import PlanLabels
from treadle.core.chat import Message
from treadle.core.taint import CLEAN, CallTaint, Labels, labels_of, listed
from treadle.executor.history import History
from treadle.executor.taints import Taints
from treadle.planner.plan import Plan


class RunTaint:
    """Tells `taints` who writes the steps of a run, and `around` what came out of it.

    around: the call that the run is part of; None for one that stands alone.
    known: the labels of plans that were made before they are handed in.
    """

    def __init__(self, taints: Taints, around: CallTaint | None, known: PlanLabels) -> None:
        self.run: Labels = CLEAN
        """Of the task, the history, and what memory had on it."""
        self._taints = taints
        self._around = around
        self._known = known
        self._answer: Labels = CLEAN

    def begin(
        self, task: str | Plan, history: Sequence[Message], forked: History | None = None
    ) -> None:
        """A run begins. A plan that was handed in is as its author in code wrote it, unless it was
        planned here, or comes with the history that its author has read.

        forked: of the run that it goes another way than.
        """
        if isinstance(task, str):
            outer = CLEAN if self._around is None else self._around.labels
            self.run = labels_of(history) | outer
        else:
            self.run = labels_of(history) | self._known.of(task)
        if forked is not None and forked.started is not None:
            self.run |= frozenset(forked.started.taint) | forked.remembered
        self._taints.write(self.run)

    def go_on(self, history: History) -> None:
        """A run goes on where an earlier process has left it."""
        if history.started is not None:
            self.run = frozenset(history.started.taint) | history.remembered
        self._taints.write(self.run)

    def recalled(self, labels: Labels) -> None:
        """Whoever writes the plan is shown what memory has, or has written it before."""
        self.run |= labels
        self._taints.write(self.run)

    def written(self, history: History) -> None:
        """The plan is there: what has its author read?"""
        self._taints.write(self.run | history.author)

    def replanned(self) -> None:
        """The joiner has read what came out so far, and has patched the plan."""
        self._taints.write(self.run | self._taints.observed())

    def told(self) -> None:
        """A model has read what came out, and writes the answer."""
        self._answer = self.run | self._taints.observed()

    def filled_in(self, plan: Plan) -> None:
        """The plan itself gives the answer, out of its steps' outputs."""
        self._answer = self._taints.of_answer(plan)

    def end(self) -> tuple[str, ...]:
        """The labels of the answer; whoever made the run has read it."""
        if self._around is not None:
            self._around.add(self._answer)
        return listed(self._answer)
