"""How a run gets to its answer: from the plan alone, or by way of the joiner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from treadle.agents.runs.answering import typed_answer
from treadle.agents.runs.observing import observations
from treadle.agents.runs.planning import joiner_of
from treadle.agents.runs.run_taint import RunTaint
from treadle.agents.runs.settled import Settled
from treadle.core.chat import Message
from treadle.core.event_log import EventLog
from treadle.core.events import AnswerDelta
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.executor import Execution
from treadle.planner.joiner import Answer, GiveUp, Replan
from treadle.planner.plan import Plan


class Conclusion:
    """The answer of one run, as far as there is one.

    adapter: of the type that the answer is to be of; None for whatever it is.

    replans: how often the plan was patched by the joiner. early: whether it answered while calls
    wait for a person. answer, output: as JSON, and as a value of the type; shown: as it is told.
    """

    def __init__(
        self,
        settled: Settled,
        log: EventLog,
        execution: Execution,
        tainted: RunTaint,
        adapter: TypeAdapter[Any] | None,
    ) -> None:
        self._settled = settled
        self._log = log
        self._execution = execution
        self._tainted = tainted
        self._adapter = adapter
        self._joiner = joiner_of(settled)
        self._answer: JsonValue = None
        self.replans = 0
        self.early = False
        self.output: Any = None
        self.shown: Payload | None = None

    async def decide(self, task: str | Plan, plan: Plan, history: Sequence[Message]) -> Plan | None:
        """Let the joiner answer or replan where the plan alone does not; returns the patched plan.

        Raises ModelError and what else a joiner raises.
        """
        asked_too_early, self.early = self.early, False
        if not isinstance(task, str) or (self._clean(plan) and not asked_too_early):
            return None
        graph = self._execution.graph
        decision = await self._joiner.decide(
            task,
            plan,
            observations(graph, self._settled.artifacts),
            self._settled.tools,
            started=graph.started(),
            remaining=self._settled.max_replans - self.replans,
            history=history,
            on_answer=self._tell,
        )
        match decision:
            case Answer(text):
                graph.resolve(graph.unresolved())
                self._tainted.told()
                # Not an answer yet where calls wait for a person: what they give belongs into it.
                self.early = bool(self._execution.held_calls())
                self._answer = None if self.early else text
            case Replan(patched):
                graph.resolve(graph.unresolved())
                self.replans += 1
                return patched
            case GiveUp():
                pass
        return None

    def _clean(self, plan: Plan) -> bool:
        """Whether no joiner is needed: the run has really failed, or the answer is at hand."""
        graph = self._execution.graph
        if graph.is_lost() or graph.stopping:
            return True
        return plan.answer is not None and not graph.unresolved()

    async def write(self, task: str | Plan, plan: Plan | None) -> None:
        """Fill in the answer, unless the run has failed or waits. Raises ModelError."""
        if self._execution.graph.first_failure() is not None or self._execution.waits():
            return
        if self._answer is None and plan is not None and plan.answer is not None:
            self._tainted.filled_in(plan)
            self._answer = self._execution.answer(plan.answer)
            if isinstance(self._answer, str):
                self._tell(self._answer)
        if self._adapter is not None:
            self._tainted.told()
            self.output, self._answer = await typed_answer(
                self._settled,
                task if isinstance(task, str) else "Give the answer.",
                self._answer,
                observations(self._execution.graph, self._settled.artifacts),
                self._adapter,
            )
        if self._answer is not None:
            # Whole, however long: it is what was asked for.
            self.shown = Payload(self._answer)

    def _tell(self, text: str) -> None:
        self._log.append(AnswerDelta(text=text))
