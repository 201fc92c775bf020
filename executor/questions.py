"""Puts what must be approved to whoever decides: one question at a time, all that is open in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from treadle.core.event_log import EventLog
from treadle.core.events import ApprovalRequested
from treadle.core.json_value import JsonValue
from treadle.executor.approval import (
    ApprovalRequest,
    Approve,
    Decision,
    PendingCall,
    decisions_of,
)
from treadle.executor.calls import RunningCalls
from treadle.executor.stored import keep, shown
from treadle.planner.plan import Plan
from treadle.tools.artifacts import ArtifactStore


class Questions:
    """The questions about one plan.

    approve: who decides; None when there is nobody to ask, and it is only recorded.
    is_open: whether a step still waits for a decision. take: told what was decided.
    """

    def __init__(
        self,
        log: EventLog,
        artifacts: ArtifactStore,
        calls: RunningCalls,
        approve: Approve | None,
        is_open: Callable[[str], bool],
        take: Callable[[Plan, Mapping[str, Decision]], None],
    ) -> None:
        self._log = log
        self._artifacts = artifacts
        self._calls = calls
        self._approve = approve
        self._is_open = is_open
        self._take = take
        self._plan: Plan | None = None
        self._asked: dict[str, PendingCall] = {}
        self._late: dict[str, str] = {}
        self._queue: list[str] = []
        self._shown: tuple[str, ...] = ()
        self._asking: asyncio.Task[None] | None = None
        self._begun = False

    def begin(self, plan: Plan, calls: list[PendingCall], hashes: Mapping[str, str]) -> None:
        """Ask about `calls`, which are all that is known to ask; `hashes` of inputs known now.

        What was asked about an earlier version of the plan is withdrawn.
        """
        self.forget()
        self._plan = plan
        if not calls:
            return
        self._announce(calls, hashes)
        self._add(calls)

    def add(self, call: PendingCall, input_hash: str | None) -> None:
        """Ask about `call` as well, which has turned out to ask: with others, where there are."""
        if input_hash is not None:
            self._late[call.step_id] = input_hash
        else:
            self._announce([call], {})
        self._add([call])

    def forget(self) -> None:
        """The plan has changed: no answer counts any more."""
        self._plan = None
        self._asked.clear()
        self._late.clear()
        self._queue.clear()
        self._withdraw()

    def open_calls(self) -> list[PendingCall]:
        """The calls that were asked about and are not decided on."""
        return [call for step_id, call in self._asked.items() if self._is_open(step_id)]

    def withdraw(self, step_id: str) -> None:
        """What was said about this step does not count any more; it may be asked about again."""
        self._asked.pop(step_id, None)

    def was_asked(self, step_id: str) -> bool:
        """Whether somebody was asked about this step of the plan."""
        return step_id in self._asked

    def answered(self) -> None:
        """Something was decided: a question of which nothing is left open is withdrawn."""
        if self._shown and not any(self._is_open(step_id) for step_id in self._shown):
            self._withdraw()
            if any(self._is_open(step_id) for step_id in self._queue):
                self._start()

    def _add(self, calls: list[PendingCall]) -> None:
        self._asked.update((call.step_id, call) for call in calls)
        self._queue += [call.step_id for call in calls]
        self._start()

    def _start(self) -> None:
        if self._begun or (self._approve is None and not self._late):
            return
        self._begun = True
        assert self._plan is not None
        self._calls.start_timer(self._go_on(self._plan))

    def _withdraw(self) -> None:
        asking, self._asking = self._asking, None
        self._begun, self._shown = False, ()
        if asking is not None and asking is not asyncio.current_task():
            asking.cancel()

    async def _go_on(self, plan: Plan) -> None:
        """Ask until nothing is left to ask about `plan`."""
        me = asyncio.current_task()
        if plan is not self._plan:
            return
        self._asking = me
        while self._announce_late() and self._approve is not None:
            calls = tuple(self._asked[each] for each in self._queue if self._is_open(each))
            self._queue.clear()
            if not calls:
                break
            self._shown = tuple(call.step_id for call in calls)
            reply = await self._approve(ApprovalRequest(self._log.run_id, plan.hash, calls))
            if self._asking is not me:
                return  # withdrawn, and answered all the same
            self._shown = ()
            said = decisions_of(reply, calls)
            # Another process may have answered meanwhile, for some of them.
            self._take(plan, {id_: each for id_, each in said.items() if self._is_open(id_)})
            if self._asking is not me:
                return
        self._begun, self._asking = False, None

    def _announce_late(self) -> bool:
        late = {id_: each for id_, each in self._late.items() if self._is_open(id_)}
        self._late.clear()
        if late:
            self._announce([self._asked[step_id] for step_id in late], late)
        return True

    def _announce(self, calls: list[PendingCall], hashes: Mapping[str, str]) -> None:
        assert self._plan is not None
        known: dict[str, JsonValue] = {}
        for call in calls:
            if call.step_id in hashes:
                known[call.step_id] = list(call.items) if call.for_each else call.arguments
        self._log.append(
            ApprovalRequested(
                plan_hash=self._plan.hash,
                step_ids=tuple(call.step_id for call in calls),
                arguments=shown(keep(self._artifacts, known)) if known else None,
                input_hashes=dict(hashes) or None,
                reasons={call.step_id: call.reason for call in calls if call.reason and call.taint}
                or None,
            ),
            durable=True,
        )
