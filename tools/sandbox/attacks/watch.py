"""Looking at the host while an attack runs."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys
from collections.abc import Mapping

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.attacks import census
from treadle.tools.sandbox.attacks.census import Census
from treadle.tools.sandbox.attacks.world import World

_EVERY_SECONDS = 0.05


class Watch:
    """Counts the attack's processes, and tries what floods would keep the host from doing."""

    def __init__(self, world: World, facts: Mapping[str, JsonValue]) -> None:
        self._world = world
        self._port = facts["knock_port"]
        self._peak = Census()
        self._seen: dict[str, None] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to look."""
        self._task = group.create_task(self._look())

    async def stop(self) -> tuple[Census, tuple[str, ...]]:
        """The highest figures, and what went wrong for the host, in words."""
        self._stopping.set()
        if self._task is not None:
            async with asyncio.timeout(10):
                await self._task
        return self._peak, tuple(self._seen)

    async def _look(self) -> None:
        while not self._stopping.is_set():
            self._peak = self._peak.highest(census.count(self._world.comm))
            if not _can_watch_files():
                self._seen["the host could not watch files any more"] = None
            if await asyncio.to_thread(_answers, self._port):
                self._seen["a server inside was reachable from the host"] = None
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                continue


def _can_watch_files() -> bool:
    if sys.platform != "linux":
        return True
    handle = ctypes.CDLL(None, use_errno=True).inotify_init()
    if handle < 0:
        return False
    os.close(handle)
    return True


def _answers(port: JsonValue) -> bool:
    with socket.socket() as knock:
        knock.settimeout(0.2)
        try:
            knock.connect(("127.0.0.1", port))
        except OSError:
            return False
        # Linux connects a socket to itself where the port is its own: nobody else answered.
        return bool(knock.getsockname() != knock.getpeername())
