"""Patches of a plan that runs: one check for whoever asks, and each is done once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Protocol

from treadle.agents.runs.scope import AskPatch
from treadle.core.errors import ErrorInfo, RunError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import PatchRefused, PlanPatched
from treadle.core.json_value import canonical_json
from treadle.core.taint import CLEAN, Labels
from treadle.executor import Execution
from treadle.executor.node import Node, State
from treadle.executor.taints import Taints
from treadle.planner.check import check_plan
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan
from treadle.tools import ToolRegistry


class Patch(Protocol):
    """Changes the plan of a run; see `Pipeline.patch`."""

    def __call__(
        self,
        patch: PlanPatch,
        *,
        request: str | None = None,
        step_id: str | None = None,
        labels: Labels = CLEAN,
    ) -> Plan: ...


class Patching:
    """Changes the plan of one run.

    announce: records the new version of the plan, before any of its steps is.
    """

    def __init__(
        self,
        log: EventLog,
        tools: ToolRegistry,
        execution: Execution,
        announce: Callable[[Plan], None],
    ) -> None:
        self._log = log
        self._tools = tools
        self._execution = execution
        self._announce = announce
        self._decided: set[str] | None = None
        self._complete = asyncio.Event()

    def complete(self) -> None:
        """The plan is complete, or the run has ended without one."""
        self._complete.set()

    def for_step(self, patch: Patch) -> AskPatch:
        """`patch` for the steps of the run: it waits until the plan is complete."""

        async def ask(change: PlanPatch, step_id: str | None, labels: Labels) -> Plan:
            await self._complete.wait()
            return patch(change, step_id=step_id, labels=labels)

        return ask

    def apply(
        self,
        plan: Plan | None,
        patch: PlanPatch,
        *,
        request: str | None = None,
        step_id: str | None = None,
        labels: Labels = CLEAN,
    ) -> Plan:
        """The next version of `plan`, which the run goes on with; None while none is carried out.

        request: names the patch; one that was done already is not done again.
        step_id: the step that asks for it, if one does. labels: of what that has read.

        Raises PlanError as `PlanPatch.apply` and the checks do, and RunError (`not_executing`).
        """
        graph = self._execution.graph
        if plan is None or graph.stopping:
            raise RunError("not_executing", "a plan can be patched while its steps run")
        if step_id is not None:
            request = self._request_of(step_id, patch)
        if self.is_decided(request):
            return plan
        patched = patch.apply(plan, graph.started())
        check_plan(patched, self._tools)
        taints = graph.taints
        if step_id is not None:
            labels |= _of_step(taints, graph.nodes.get(step_id))
        before = taints.author
        taints.write(before | labels)
        self._announce(patched)
        # The steps that come in are of whoever asks, and not of whoever wrote the others.
        taints.write(labels)
        self._log.append(PlanPatched(version=patched.version, request=request, step_id=step_id))
        self._decide(request)
        self._execution.patch(patched)
        taints.write(before)
        return patched

    def refuse(self, request: str | None, error: TreadleError) -> None:
        """Record that a patch which another process has left cannot be done."""
        self._log.append(PatchRefused(request=request, error=ErrorInfo.of(error)))
        self._decide(request)

    def is_decided(self, request: str | None) -> bool:
        """Whether the patch of that name was done, or refused, by whatever process."""
        if self._decided is None:
            asked = (
                event.request
                for event in self._log.events
                if isinstance(event, PlanPatched | PatchRefused)
            )
            self._decided = {each for each in asked if each is not None}
        return request in self._decided

    def _decide(self, request: str | None) -> None:
        if request is not None and self._decided is not None:
            self._decided.add(request)

    def _request_of(self, step_id: str, patch: PlanPatch) -> str:
        """What a step asks has the same name when the step is run again after a crash."""
        node = self._execution.graph.nodes.get(step_id)
        if node is None or node.state is not State.RUNNING:
            raise RunError("not_executing", f"step '{step_id}' has ended; it patches no plan now")
        digest = hashlib.sha256(canonical_json(patch.wire())).hexdigest()[:32]
        return f"{step_id}/{node.version}/{digest}"


def _of_step(taints: Taints, node: Node | None) -> Labels:
    return CLEAN if node is None else taints.of_output(node)
