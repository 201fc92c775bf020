"""Memory as runs use it: asked before planning, told after the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from treadle.core.errors import ErrorInfo, TreadleError
from treadle.core.events import MemoryRecalled
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.remembered import remembered_text
from treadle.core.taint import CLEAN, Labels, listed
from treadle.planner.plan import Plan
from treadle.tools import ToolRegistry

if TYPE_CHECKING:
    from treadle.memory.hit import Recall
    from treadle.memory.learning import (
        Concepts,
        Distiller,
        Example,
        FoundConcept,
        Procedures,
        Reuse,
        RunRecord,
        StepRecord,
    )
    from treadle.memory.namespace import Namespace

MOST_CHARACTERS = 8_000
"""Of what a planner is shown."""

MOST_OF_ONE = 2_000
"""Characters of one item; what is longer is left out, or cut where it is a text."""

HITS = 8
CONCEPTS = 4

RECALL_SECONDS = 10.0
"""After which a run goes on without its memory."""

DISTIL_SECONDS = 150.0
"""After which learning from a run is given up."""

CLOSE_SECONDS = 30.0
"""That a Runtime which is closed waits for what is being learned."""

MOST_QUERY = 2_000
"""Characters of a task that memory is asked with."""

MOST_WAITING = 64
"""Runs that wait to be learned from; beyond, the next ones are not."""

_log = logging.getLogger("treadle.memory")


class Remembers(Protocol):
    """What a Runtime needs of a memory; `treadle.memory.memory.Memory` has it."""

    @property
    def namespace(self) -> Namespace:
        """The part of it that runs read and write."""
        ...

    @property
    def concepts(self) -> Concepts: ...

    @property
    def procedures(self) -> Procedures: ...

    @property
    def distiller(self) -> Distiller: ...

    async def recall(self, query: str, k: int = ..., *, budget_tokens: int | None = ...) -> Recall:
        """Facts and episodes that bear on `query`."""
        ...


@dataclass(frozen=True, slots=True)
class Remembered:
    """What memory has on a task.

    event: what is recorded of it, and what the planner is shown.
    reuse: a plan that needs no planner. plan: the same, checked against the tools.
    """

    event: MemoryRecalled
    reuse: Reuse | None = None
    plan: Plan | None = None

    @property
    def labels(self) -> Labels:
        """The untrusted sources of what the planner is shown, or of what made the plan."""
        return frozenset(self.event.taint)

    @property
    def text(self) -> str:
        """What the planner is shown; empty where there is nothing, or where it was erased since."""
        shown = self.event.text
        return "" if shown is None or shown.erased else str(shown.value)


NOTHING = Remembered(MemoryRecalled())


class RunMemory:
    """What the runs of a Runtime do with its memory."""

    def __init__(self, memory: Remembers) -> None:
        self.memory = memory
        self._learning: WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[None]]]
        self._learning = WeakKeyDictionary()

    async def before(self, task: str, tools: ToolRegistry, *, alone: bool) -> Remembered:
        """What bears on `task`.

        alone: whether the task stands for itself; after a conversation no plan is reused.

        An error of memory is part of what is returned: the run goes on without.
        """
        try:
            async with asyncio.timeout(RECALL_SECONDS):
                return await self._ask(task, tools, alone=alone)
        except TreadleError as error:
            failure = ErrorInfo.of(error)
        except TimeoutError:
            failure = ErrorInfo("memory_timeout", f"no answer within {RECALL_SECONDS:g} s")
        _log.warning("the run goes on without memory: %s", failure)
        return Remembered(MemoryRecalled(error=failure))

    async def demote(self, procedure_id: str) -> None:
        """A plan that was to be reused does not fit the tools."""
        await self.memory.procedures.record(
            procedure_id, namespace=self.memory.namespace, worked=False
        )

    def learn(self, record: RunRecord) -> None:
        """Begin to learn from a run that has ended; nobody waits for it."""
        loop = asyncio.get_running_loop()
        waiting = self._learning.setdefault(loop, set())
        if len(waiting) >= MOST_WAITING:
            _log.warning("nothing is learned from %s: too many runs wait for it", record.run_id)
            return
        # In a context of its own: it is no part of a run around this one, nor of its budget.
        work = _bounded(self._distil(record), record.run_id)
        task = loop.create_task(work, context=Context())
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        task.add_done_callback(_told)

    async def settle(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait for what is being learned in this event loop, at most `seconds`; end the rest."""
        waiting = self._learning.pop(asyncio.get_running_loop(), None)
        if not waiting:
            return
        _, late = await asyncio.wait(list(waiting), timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=seconds)

    async def _distil(self, record: RunRecord) -> None:
        # Whom it was about stands in its task, its plan and its answer. (Of a run that was gone on
        # with by this process, it is only its steps that tell.)
        if not any(map(_forgot, record.steps)):
            await self.memory.distiller.distil(record, namespace=self.memory.namespace)

    async def _ask(self, task: str, tools: ToolRegistry, *, alone: bool) -> Remembered:
        from treadle.memory.learning import Example, Reuse

        memory = self.memory
        match = await memory.procedures.match(
            task, lambda name: _fingerprint(tools, name), namespace=memory.namespace
        )
        query = task[:MOST_QUERY]
        recalled = await memory.recall(query, HITS, budget_tokens=MOST_CHARACTERS // 8)
        if isinstance(match, Reuse) and alone and not _knows_more(recalled, match, task):
            return Remembered(MemoryRecalled(taint=listed(match.taint)), match)
        found = await memory.concepts.find(query, CONCEPTS, namespace=memory.namespace)
        if isinstance(match, Reuse):
            match = Example((match.procedure,))
        example = match if isinstance(match, Example) else None
        return Remembered(_recalled(recalled, found, example))


def _forgot(step: StepRecord) -> bool:
    """Whether a step has erased something, or may have."""
    return step.tool == "forget" and step.status in ("succeeded", "failed")


def _told(task: asyncio.Task[None]) -> None:
    """A bug is not to pass unseen, though nobody waits for it."""
    failure = None if task.cancelled() else task.exception()
    if failure is not None:
        _log.error("learning from a run failed: an error of Treadle's", exc_info=failure)


async def _bounded(work: Awaitable[None], run_id: str) -> None:
    try:
        async with asyncio.timeout(DISTIL_SECONDS):
            await work
    except (TreadleError, TimeoutError) as error:
        # The run has ended well or badly by itself; only its lesson is lost.
        _log.warning("nothing was learned from %s: %s", run_id, error)


def _knows_more(recalled: Recall, reuse: Reuse, task: str) -> bool:
    """Whether there is something on the task that the author of the plan could not know of.

    What an assistant said tells nothing new, nor does the same task, asked again.
    """
    from treadle.memory.episode import Episode
    from treadle.memory.kinds import Origin
    from treadle.memory.learning.literals import wording

    written, asked = reuse.procedure.recorded_at, wording(task)
    for hit in recalled.hits:
        item = hit.item
        if item.recorded_at <= written:
            continue
        if not isinstance(item, Episode):
            return True
        if item.origin is not Origin.ASSISTANT and not wording(item.text).asks_the_same(asked):
            return True
    return False


def _fingerprint(tools: ToolRegistry, name: str) -> str | None:
    return tools[name].fingerprint if name in tools else None


def _recalled(
    recalled: Recall, found: list[FoundConcept], example: Example | None
) -> MemoryRecalled:
    """What the planner is shown, as an event: lessons first, then plans, facts and episodes."""
    shown = _Shown()
    for each in found:
        concept = each.concept
        item: dict[str, JsonValue] = {"name": concept.name, "body": concept.body[:MOST_OF_ONE]}
        shown.add(concept.kind, concept.id, item, concept.taint)
    for procedure in example.procedures if example is not None else ():
        plan: dict[str, JsonValue] = {"task": procedure.task, "plan": procedure.template}
        shown.add("plan_that_worked", procedure.id, plan, procedure.taint)
    for hit in recalled.hits:
        shown.add(*_of_hit(hit.item, hit.text), hit.taint)
    text = remembered_text(shown.items)
    return MemoryRecalled(
        text=Payload(text) if text else None,
        items=tuple(shown.ids),
        concepts=tuple(each.concept.id for each in found if each.concept.id in shown.ids),
        taint=listed(shown.labels),
    )


def _of_hit(item: object, text: str) -> tuple[str, str, dict[str, JsonValue]]:
    from treadle.memory.episode import Episode
    from treadle.memory.fact import Fact

    said: dict[str, JsonValue] = {"text": text[:MOST_OF_ONE]}
    if isinstance(item, Fact):
        for name, moment in (("from", item.valid_from), ("to", item.valid_to)):
            if moment is not None:
                said[name] = moment.isoformat(timespec="seconds")
        return "fact", item.id, said
    assert isinstance(item, Episode)
    said["when"] = item.occurred_at.isoformat(timespec="seconds")
    if item.actor:
        said["by"] = item.actor
    return "episode", item.id, said


class _Shown:
    """What fits into a prompt."""

    def __init__(self) -> None:
        self.items: list[dict[str, JsonValue]] = []
        self.ids: list[str] = []
        self.labels: Labels = CLEAN
        self._left = MOST_CHARACTERS

    def add(self, kind: str, item_id: str, item: dict[str, JsonValue], labels: Labels) -> None:
        whole: dict[str, JsonValue] = {"kind": kind, **item}
        size = len(str(whole))
        if size > min(self._left, 2 * MOST_OF_ONE):
            return
        self._left -= size
        self.items.append(whole)
        self.ids.append(item_id)
        self.labels |= labels
