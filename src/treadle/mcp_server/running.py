"""A run that a client waits for: its progress, its questions, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from treadle.agents.runs.run_stream import RunStream
from treadle.core.clock import Clock
from treadle.core.events import (
    ApprovalRequested,
    Event,
    PlanningStarted,
    PlanReady,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepStarted,
)
from treadle.core.json_value import JsonValue
from treadle.executor import RunResult
from treadle.executor.approval import ApprovalRequest
from treadle.mcp_server.exposed import Exposed

PROGRESS_SECONDS = 0.2
"""At most one notification in so many seconds, beside those that matter."""

_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """An approval that somebody has to give. answer: True for yes, to be set once."""

    request: ApprovalRequest
    answer: asyncio.Future[bool]


class Running:
    """One call of a client. `drive` is its task; `next` tells of what happens meanwhile.

    approval_seconds: how long a question waits; then the answer is no.
    can_ask: whether the client can put a question to a person.
    """

    def __init__(
        self,
        exposed: Exposed,
        arguments: Mapping[str, JsonValue],
        *,
        can_ask: bool,
        approval_seconds: float,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._approval_seconds = approval_seconds
        self._heard: asyncio.Queue[str | Question | None] = asyncio.Queue(1_000)
        self._planned: set[str] = set()
        self._done = 0
        self._last = 0.0
        self.stream: RunStream = exposed.start(arguments, self._ask if can_ask else None)
        self.result: RunResult | None = None
        self.failure: Exception | None = None

    async def drive(self) -> None:
        """Carry the run out; it always ends, and `next` then gives None."""
        try:
            async with self.stream as run:
                async for event in run:
                    self._take(event)
            self.result = run.result
        except Exception as error:  # noqa: BLE001 - a server request: the client is told
            self.failure = error
        finally:
            if self._heard.full():
                self._heard.get_nowait()
            self._heard.put_nowait(None)

    async def next(self) -> str | Question | None:
        """What happens next: progress in words, a question; None when the run has ended."""
        return await self._heard.get()

    async def stop(self) -> None:
        """Cancel the run, and return when it has ended or could not be brought to."""
        self.stream.cancel()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self.stream.ended()
        except TimeoutError:
            return  # its tools hold on; the task group of the server sees to the rest

    async def _ask(self, request: ApprovalRequest) -> bool:
        question = Question(request, asyncio.get_running_loop().create_future())
        await self._heard.put(question)
        try:
            async with asyncio.timeout(self._approval_seconds):
                return await question.answer
        except TimeoutError:
            return False

    def _take(self, event: Event) -> None:
        words = self._words(event)
        if words is None or self._heard.full():
            return
        now = self._clock.monotonic()
        if isinstance(event, StepStarted) and now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        self._heard.put_nowait(words)

    def _words(self, event: Event) -> str | None:
        match event:
            case PlanningStarted():
                return "planning"
            case StepPlanned():
                self._planned.add(event.step_id)
            case StepDropped():
                self._planned.discard(event.step_id)
            case PlanReady():
                return f"a plan of {len(self._planned):,} steps"
            case StepStarted() if event.index is None:
                return f"{self._count()}: {event.step_id} started"
            case StepFinished():
                self._done += 1
                return f"{self._count()}: {event.step_id} {event.status}"
            case ApprovalRequested():
                return "waiting for an approval"
        return None

    def _count(self) -> str:
        return f"{self._done:,} of {len(self._planned):,} steps done"
