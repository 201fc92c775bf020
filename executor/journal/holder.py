"""Which process holds a run, and whether it is still there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: where it runs, its number there, and when it started (numbers are used again).

    host: unique per boot and per process namespace, so that a number is never looked up in a
        place where it means another process.
    """

    host: str
    pid: int
    started: float

    @classmethod
    def this_process(cls) -> Self:
        """The calling process."""
        return cls(_host(), os.getpid(), psutil.Process().create_time())

    @classmethod
    def read(cls, text: str) -> Self:
        """What `str` wrote; of anything else, a process on a host that is not known."""
        parts = text.rsplit("/", 2)
        try:
            return cls(parts[0], int(parts[1]), float(parts[2]))
        except (IndexError, ValueError):
            return cls("", 0, 0.0)

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.started:.2f}"

    @property
    def is_local(self) -> bool:
        """Whether this process can tell if it lives."""
        return self.host == _host()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have ended; False for one that cannot be looked at."""
        if not self.is_local:
            return False
        try:
            process = psutil.Process(self.pid)
            gone = process.status() == psutil.STATUS_ZOMBIE
            return gone or abs(process.create_time() - self.started) > 1.0
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


@lru_cache(maxsize=1)
def _host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    if boot.exists() and namespace.exists():
        parts += [boot.read_text("ascii").strip(), str(namespace.stat().st_ino)]
    return ".".join(parts).replace("/", "_")
