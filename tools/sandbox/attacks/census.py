"""What an attack has running, as the host sees it."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Census:
    """Processes that carry the name of one attack: how many, their threads, their memory."""

    processes: int = 0
    threads: int = 0
    resident_bytes: int = 0

    def highest(self, other: Census) -> Census:
        """The larger figure of each."""
        return Census(
            max(self.processes, other.processes),
            max(self.threads, other.threads),
            max(self.resident_bytes, other.resident_bytes),
        )


def living(name: str) -> list[int]:
    """The processes called `name` (as of prctl's PR_SET_NAME) that are no zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text(errors="replace").rstrip("\n") != name:
                continue
            state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if state not in "ZX":
                found.append(int(folder.name))
    return found


def count(name: str) -> Census:
    """What the processes called `name` amount to just now."""
    threads = resident = 0
    processes = living(name)
    for pid in processes:
        with contextlib.suppress(OSError):
            threads += len(os.listdir(f"/proc/{pid}/task"))
            resident += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return Census(len(processes), threads, resident)


def end(name: str) -> None:
    """Kill what is called `name`, in a few rounds, as it may be forking."""
    for _ in range(20):
        processes = living(name)
        if not processes:
            return
        for pid in processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
