"""Work beside the caller's own code: what fails there is kept and told, and cancels nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from treadle.core.clock import Clock
from treadle.core.errors import ErrorInfo, RunError, TreadleError

AGAIN_SECONDS = 30.0
"""After a failure, until it is tried again."""

_PASSING = ("database_locked", "database_unavailable")
"""Codes of what is waited for, and told to nobody."""

_log = logging.getLogger("treadle.memory")


@dataclass(frozen=True, slots=True)
class Chore:
    """What is done again and again. pause: returns when it is to be done the next time."""

    name: str
    once: Callable[[], Awaitable[object]]
    pause: Callable[[], Awaitable[None]]


class Background:
    """Does chores from `start` to `aclose`, all in one task group."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stack = AsyncExitStack()
        self._failures: dict[str, TreadleError] = {}

    @property
    def failure(self) -> TreadleError | None:
        """Why a chore failed the last time that it was tried; None where all goes well."""
        return next(iter(self._failures.values()), None)

    async def start(self, *chores: Chore) -> None:
        """Begin; whoever begins calls `aclose`, in the same task."""
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        for each in chores:
            self._stack.callback(group.create_task(self._keep_doing(each)).cancel)

    async def aclose(self) -> None:
        """Stop the chores; return when they have stopped."""
        await self._stack.aclose()

    async def _keep_doing(self, chore: Chore) -> None:
        while True:
            if await self._did(chore):
                await chore.pause()
            else:
                await self._clock.sleep(AGAIN_SECONDS)

    async def _did(self, chore: Chore) -> bool:
        try:
            await chore.once()
        except TreadleError as error:
            if isinstance(error, RunError) and error.code in _PASSING:
                return True
            self._note(chore, error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug here is not to cancel what others do
            info = ErrorInfo.of(error)
            failed = RunError("memory_work_failed", f"{chore.name}: {info.message}")
            failed.__cause__ = error
            self._note(chore, failed)
            return False
        self._failures.pop(chore.name, None)
        return True

    def _note(self, chore: Chore, error: TreadleError) -> None:
        before = self._failures.get(chore.name)
        self._failures[chore.name] = error
        if before is None or ErrorInfo.of(before) != ErrorInfo.of(error):
            _log.error(
                "what follows from what is remembered waits, and is tried again every %g s: %s",
                AGAIN_SECONDS,
                error,
                exc_info=error.__cause__,
            )
