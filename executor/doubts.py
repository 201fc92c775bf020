"""Calls with effects that were cut short: what is done about each before its step goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from treadle.core.errors import ToolError
from treadle.core.event_log import EventLog
from treadle.core.events import DoubtSettled, StepProgress
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.executor.node import Call, Node
from treadle.executor.step_key import input_hash

Verdict: TypeAlias = Literal["done", "redo"]
"""What a person says of a call with effects that was cut short: it happened, or it is to run."""


class Doubts:
    """Settles what an earlier process has left open.

    verdicts: what a person said, by `STEP`, which is about all its items, or `STEP[INDEX]`.
    """

    def __init__(self, log: EventLog, verdicts: Mapping[str, Verdict] | None) -> None:
        self._log = log
        self._verdicts: dict[str, Verdict] = dict(verdicts or {})

    def needs_person(self, node: Node) -> bool:
        """Whether only a person can say what became of `node`, and none has."""
        # A tool that can tell, or can be called again, does so with its next call.
        tells = node.tool.idempotent or node.tool.reconcile is not None
        if tells or not self._is_open(node):
            return False
        assert node.past is not None
        return any(self._verdict(node, index) is None for index in node.past.open_calls)

    def _verdict(self, node: Node, index: int | None) -> Verdict | None:
        item = None if index is None else self._verdicts.get(f"{node.step.id}[{index}]")
        return item or self._verdicts.get(node.step.id)

    def take_verdict(self, node: Node) -> bool:
        """Note what a person said; True where the step is done with that."""
        past = node.past
        if past is None or not self._verdicts or not self._is_open(node):
            return False
        whole = False
        for index in list(past.open_calls):
            verdict = self._verdict(node, index)
            if verdict is None:
                continue
            self._settled(node, verdict, index)
            del past.open_calls[index]
            if verdict == "redo":
                continue
            if index is None:
                whole = True
                continue
            progress = StepProgress(
                step_id=node.step.id,
                done=len(past.items) + 1,
                total=0,
                index=index,
                output=Payload(None),
            )
            self._log.append(progress, durable=True)
            past.items[index] = (progress.output, None)
        return whole

    async def look(self, call: Call, arguments: dict[str, JsonValue]) -> JsonValue:
        """What `call` came to, where its tool can tell; None: make it (again).

        Where the tool cannot tell after all, the node is in doubt: a person must. Raises ToolError
        (`inputs_changed`), and, for an item of a fan-out, what `Tool.reconciled` raises.
        """
        node, past = call.node, call.node.past
        if past is None or call.index not in past.open_calls:
            return None
        before = past.open_calls[call.index]
        if before is not None and before != input_hash(arguments):
            raise ToolError(
                "inputs_changed",
                f"'{node.step.id}' was cut short with other arguments than it would run with now",
            )
        result: JsonValue = None
        decision: Literal["idempotent", "reconciled", "not_done"] = "idempotent"
        if not node.tool.idempotent:
            try:
                result = await node.tool.reconciled(arguments)
            except ToolError:
                if call.index is not None:
                    raise
                node.in_doubt = True
                return None
            decision = "not_done" if result is None else "reconciled"
        del past.open_calls[call.index]
        self._settled(node, decision, call.index)
        return result

    def _is_open(self, node: Node) -> bool:
        past = node.past
        return past is not None and bool(past.open_calls) and not node.tool.effect.repeatable

    def _settled(
        self,
        node: Node,
        decision: Literal["reconciled", "not_done", "idempotent", "done", "redo"],
        index: int | None,
    ) -> None:
        settled = DoubtSettled(step_id=node.step.id, decision=decision, index=index)
        self._log.append(settled, durable=True)
