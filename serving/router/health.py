"""Which engines are there: asked in turn, and found out when a call fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import anyio

from treadle.core.clock import Clock
from treadle.serving.router.dispatcher import Dispatcher
from treadle.serving.router.engine_client import EngineClient

_log = logging.getLogger("treadle.router")
_FAILURES = 2
_LEARN_SECONDS = 30.0


class HealthChecks:
    """Asks every engine every `seconds`; two failures in a row take it out, one answer back in."""

    def __init__(
        self,
        clients: Mapping[str, EngineClient],
        dispatcher: Dispatcher,
        clock: Clock,
        seconds: float,
    ) -> None:
        self._clients = clients
        self._dispatcher = dispatcher
        self._clock = clock
        self._seconds = seconds
        self._failures = dict.fromkeys(clients, 0)
        self._learned: dict[str, float] = {}
        self._suspected = {name: asyncio.Event() for name in clients}

    async def check_all(self) -> None:
        """Ask all engines once; at the start, one failure is enough."""
        self._failures = dict.fromkeys(self._clients, _FAILURES - 1)
        async with anyio.create_task_group() as group:
            for name in self._clients:
                group.start_soon(self.check, name)

    async def run(self) -> None:
        """Go on asking until cancelled."""
        async with anyio.create_task_group() as group:
            for name in self._clients:
                group.start_soon(self._watch, name)

    async def check(self, name: str) -> None:
        """Ask one engine now."""
        client = self._clients[name]
        alive = False
        with anyio.move_on_after(max(1.0, self._seconds)):
            alive = await client.alive()
        if alive:
            await self._is_there(client)
        else:
            self._failures[name] += 1
            if self._failures[name] >= _FAILURES:
                self.down(name, "it does not answer")

    def down(self, name: str, reason: str) -> None:
        """Send nothing to an engine until it answers again."""
        self._failures[name] = max(self._failures[name], _FAILURES)
        self._learned.pop(name, None)
        if self._dispatcher.gate.is_up(name):
            _log.warning("engine %s is down: %s", name, reason)
            self._dispatcher.set_up(name, False)

    def suspect(self, name: str) -> None:
        """Ask an engine at once: a call to it has failed."""
        self._suspected[name].set()

    async def _watch(self, name: str) -> None:
        suspected = self._suspected[name]
        while True:
            with anyio.move_on_after(self._seconds):
                await suspected.wait()
            suspected.clear()
            await self.check(name)

    async def _is_there(self, client: EngineClient) -> None:
        self._failures[client.name] = 0
        now = self._clock.monotonic()
        learned = self._learned.get(client.name)
        if learned is None or now - learned >= _LEARN_SECONDS:
            self._learned[client.name] = now
            await client.learn()
            self._dispatcher.resize(client.name, client.kv_tokens)
        if not self._dispatcher.gate.is_up(client.name):
            _log.warning("engine %s is up again", client.name)
            self._dispatcher.set_up(client.name, True)
