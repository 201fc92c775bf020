"""The worker: does what the outbox asks for, beside whoever writes and other workers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from treadle.core.clock import Clock, SystemClock
from treadle.core.errors import RunError, TreadleError
from treadle.memory.writing.outbox import LONGEST_LEASE, Lease, LeaseTakenOver, Outbox

_POLL_SECONDS = 1.0
_LEASE_MARGIN = 0.8
"""Of its lease, what a handler gets: it is over before another worker starts."""

_RELEASE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Handler:
    """What does the errands of one task.

    work: does all errands of a lease, or raises; it may be called again for the same ones, and then
        changes nothing.
    most, fewest: errands at a time, all of one namespace.
    seconds: how long it may take at most.
    finishes: whether it removes the errands itself, with `finish`, in the transaction in which it
        does them.
    """

    work: Callable[[Lease], Awaitable[None]]
    most: int = 16
    fewest: int = 1
    seconds: float = 120.0
    finishes: bool = False

    def __post_init__(self) -> None:
        assert 1 <= self.fewest <= self.most
        assert 0 < self.seconds <= LONGEST_LEASE * _LEASE_MARGIN


class Worker:
    """Does errands until there are none (`work_once`), or until it is cancelled (`run`).

    handlers: by the name of their task.
    owner: its name in leases; no other worker has the same.
    """

    def __init__(
        self,
        outbox: Outbox,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock | None = None,
        owner: str | None = None,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._handlers = dict(handlers)
        self._clock = clock or SystemClock()
        self._owner = owner or f"worker_{secrets.token_hex(8)}"
        self._poll_seconds = poll_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something to do; `run` need not wait until it looks again."""
        self._woken.set()

    async def work_once(self) -> int:
        """Do what is due, all of it; how many errands were done.

        What fails is put back, with its error in the outbox: it is no error of this call.

        Raises RunError where the database fails.
        """
        done = 0
        for task, handler in self._handlers.items():
            while True:
                lease = await self._outbox.lease(
                    task,
                    self._owner,
                    seconds=handler.seconds / _LEASE_MARGIN,
                    most=handler.most,
                    fewest=handler.fewest,
                )
                if lease is None:
                    break
                if await self._did(handler, lease):
                    done += len(lease.errands)
        return done

    async def run(self) -> None:
        """Do what is due, again and again, until cancelled.

        A database that is locked or cannot be reached for a while is waited for.
        """
        while True:
            try:
                await self.work_once()
            except RunError as error:
                if error.code not in ("database_locked", "database_unavailable"):
                    raise
            await self.pause()

    async def pause(self) -> None:
        """Return when there may be something to do: after `wake`, or a while."""
        async with asyncio.TaskGroup() as waiting:
            pause = waiting.create_task(self._clock.sleep(self._poll_seconds))
            woken = waiting.create_task(self._woken.wait())
            await asyncio.wait((pause, woken), return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            woken.cancel()
        self._woken.clear()

    async def _did(self, handler: Handler, lease: Lease) -> bool:
        try:
            async with asyncio.timeout(handler.seconds):
                await handler.work(lease)
                if not handler.finishes:
                    await self._outbox.done(lease)
        except LeaseTakenOver:
            return False
        except asyncio.CancelledError:
            # Else nobody could go on with it until the lease has run out, as it does where the
            # database does not answer in time.
            with suppress(TimeoutError, RunError):
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._outbox.release(lease)
            raise
        except TimeoutError:
            late = RunError("errand_timeout", f"{lease.task} took over {handler.seconds:g} s")
            await self._outbox.failed(lease, late)
            return False
        except TreadleError as error:
            if isinstance(error, RunError) and error.code.startswith("database_"):
                # The outbox is in the same database: the lease runs out by itself.
                raise
            for_good = getattr(error, "retryable", True) is False
            await self._outbox.failed(lease, error, for_good=for_good)
            return False
        except Exception as error:  # noqa: BLE001 - a request like any other: see the dead letters
            await self._outbox.failed(lease, error)
            return False
        return True
