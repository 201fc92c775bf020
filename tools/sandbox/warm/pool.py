"""Warm workers by trust domain, started when they are needed and kept for a while."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxResult
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.warm.guest_process import HostedBoundary
from treadle.tools.sandbox.warm.worker import Task, WarmWorker, worker_limits

WARM_LEVELS: Final = frozenset({SandboxLevel.USER, SandboxLevel.STRICT})
"""Levels with process and mount namespaces of their own. Anywhere else, ending and wiping all
that an execution has left would reach further than the execution."""


TRIES: Final = 3
"""A worker may end, having been idle, at the moment when it is given something to run."""


@dataclass(frozen=True, slots=True)
class _Key:
    trust_domain: str
    limits: SandboxLimits


class WarmPool:
    """Runs snippets of Python in interpreters that have started before.

    Executions share an interpreter (one after the other) only within a trust domain and under the
    same totals. size: workers at once; 0 for one more than there are cores.
    idle_seconds: after which a worker ends by itself. executions: after which it is replaced.
    queue_seconds: how long an execution may wait for a worker.
    """

    def __init__(
        self,
        boundary: HostedBoundary,
        *,
        size: int = 0,
        idle_seconds: float = 120.0,
        executions: int = 1000,
        queue_seconds: float = 60.0,
    ) -> None:
        if boundary.level not in WARM_LEVELS:
            raise ToolError(
                "sandbox_unavailable", f"no warm workers at the level {boundary.level}: run it cold"
            )
        self._boundary = boundary
        self._size = size or (os.cpu_count() or 1) + 1
        self._slots = asyncio.Semaphore(self._size)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[tuple[_Key, WarmWorker, float]] = []
        self._busy = 0
        self._idle_seconds = idle_seconds
        self._executions = executions
        self._queue_seconds = queue_seconds
        self._closed = False

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        results: WantedFiles | None = None,
        limits: SandboxLimits | None = None,
        trust_domain: str = "",
    ) -> SandboxResult:
        """Run `code` as a snippet of Python; see `CodeRunner`.

        files: by checked names. Raises ToolError: `sandbox_busy` where no worker gets free, and
        what the boundary raises.
        """
        task = Task(code, files or {}, results or WantedFiles(()), limits or SandboxLimits())
        self._enter_loop()
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise ToolError(
                "sandbox_busy",
                f"no sandbox was free for {self._queue_seconds:g} s: run fewer at once",
                retryable=True,
            ) from None
        self._busy += 1
        try:
            for _ in range(TRIES):
                result = await self._run(task, trust_domain)
                if result is not None:
                    return result
            raise ToolError("sandbox_failed", "warm workers end as soon as they have started")
        finally:
            self._busy -= 1
            self._slots.release()

    def _enter_loop(self) -> None:
        """A semaphore belongs to one event loop, the workers to none: they outlive one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._busy = loop, 0
            self._slots = asyncio.Semaphore(self._size)

    async def _run(self, task: Task, trust_domain: str) -> SandboxResult | None:
        key = _Key(trust_domain, worker_limits(task.limits))
        worker = await self._worker(key, task.limits)
        try:
            result = await worker.run(task)
        except BaseException:
            await worker.end()
            raise
        if self._closed or not worker.sound or worker.executions >= self._executions:
            await worker.end()
        else:
            self._idle.append((key, worker, asyncio.get_running_loop().time()))
        return result

    async def _worker(self, key: _Key, limits: SandboxLimits) -> WarmWorker:
        if self._closed:
            raise ToolError("sandbox_unavailable", "the pool of warm workers is closed")
        await self._let_go()
        # The one that was used longest ago: it has most likely been wiped meanwhile.
        while (place := self._oldest(key)) is not None:
            worker = self._idle.pop(place)[1]
            try:
                if await worker.ready():
                    return worker
            except BaseException:
                await worker.end()
                raise
            await worker.end()
        while self._idle and self._busy + len(self._idle) > self._size:
            await self._idle.pop(0)[1].end()
        return await WarmWorker.start(self._boundary, limits, idle_seconds=self._idle_seconds)

    async def _let_go(self) -> None:
        """End the workers that have been idle for too long, as they do by themselves."""
        longest_ago = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle and self._idle[0][2] < longest_ago:
            await self._idle.pop(0)[1].end()

    def _oldest(self, key: _Key) -> int | None:
        return next((place for place, each in enumerate(self._idle) if each[0] == key), None)

    async def close(self) -> None:
        """End all workers that are idle; those that run something end after it."""
        self._closed = True
        while self._idle:
            await self._idle.pop()[1].end()
