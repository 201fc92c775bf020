"""The cgroups of one execution: they bound what all its processes use together."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from treadle.tools.sandbox.levels.warden_side.messages import Usage

END_SECONDS = 5.0
"""How long the processes of an execution may take to go once they were killed."""


class Cgroups:
    """A folder in each hierarchy of version 1 (`memory`, `pids`, `cpuacct`), or one `unified`."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders
        self._unique = set(folders.values())

    @property
    def empty(self) -> bool:
        """Whether there are none: nothing bounds the totals."""
        return not self._folders

    @classmethod
    def named(cls, parents: dict[str, str], name: str) -> Cgroups:
        """Those of that name, whether they are there or not."""
        return cls({kind: Path(parent) / name for kind, parent in parents.items()})

    @classmethod
    def create(
        cls, parents: dict[str, str], name: str, memory_bytes: int, processes: int
    ) -> Cgroups:
        """Make them; what a killed warden left under the same name is ended. Raises OSError."""
        made = cls.named(parents, name)
        made.remove()
        try:
            for folder in made._unique:
                folder.mkdir(mode=0o755)
            made._limit(memory_bytes, processes)
        except OSError:
            made.remove()
            raise
        return made

    def _limit(self, memory_bytes: int, processes: int) -> None:
        memory, pids, unified = (self._folders.get(each) for each in ("memory", "pids", "unified"))
        if memory is not None:
            (memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
            swap = memory / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(memory_bytes))
        if pids is not None:
            (pids / "pids.max").write_text(str(processes))
        if unified is not None:
            (unified / "memory.max").write_text(str(memory_bytes))
            (unified / "pids.max").write_text(str(processes))
            (unified / "memory.oom.group").write_text("1")
            swap = unified / "memory.swap.max"
            if swap.exists():
                swap.write_text("0")

    def enter(self) -> None:
        """Move the calling process in. Raises OSError."""
        for folder in self._unique:
            (folder / "cgroup.procs").write_text("0")

    def kill(self) -> bool:
        """Send SIGKILL to all that is in them; whether there was nothing."""
        members: set[int] = set()
        for folder in self._unique:
            try:
                members.update(map(int, (folder / "cgroup.procs").read_text().split()))
            except OSError:
                continue  # removed already
        for member in members:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not members

    def removed(self) -> bool:
        """Take the folders away; whether they are gone. What is left in them is killed."""
        gone = True
        for folder in self._unique:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        if not gone:
            self.kill()
        return gone

    def remove(self) -> None:
        """The same until they are gone. Raises TimeoutError where they do not go."""
        deadline = time.monotonic() + END_SECONDS
        while not self.removed():
            if time.monotonic() > deadline:
                raise TimeoutError(f"cgroups that do not go away: {sorted(map(str, self._unique))}")
            time.sleep(0.001)

    def overstepped(self) -> tuple[str, str] | None:
        """The status and the reason where the kernel has stopped it at a limit of its total."""
        memory, pids, unified = (self._folders.get(each) for each in ("memory", "pids", "unified"))
        kills = None
        if memory is not None:
            kills = _number(memory / "memory.oom_control", "oom_kill")
        elif unified is not None:
            kills = _number(unified / "memory.events", "oom_kill")
        if kills:
            return "memory", "all its processes together used more memory than allowed"
        counted = pids or unified
        if counted is not None and _number(counted / "pids.events", "max"):
            return "killed", "it started more processes and threads than allowed"
        return None

    def usage(self) -> Usage:
        """What all its processes used together; None where there is no account."""
        memory, cpu, unified = (
            self._folders.get(each) for each in ("memory", "cpuacct", "unified")
        )
        peak = spent = None
        if memory is not None:
            peak = _number(memory / "memory.max_usage_in_bytes")
        elif unified is not None:
            peak = _number(unified / "memory.peak")
        if cpu is not None:
            used = _number(cpu / "cpuacct.usage")
            spent = None if used is None else used / 1e9
        elif unified is not None:
            used = _number(unified / "cpu.stat", "usage_usec")
            spent = None if used is None else used / 1e6
        return {"cpu_seconds": spent, "peak_memory_bytes": peak}


def _number(path: Path, name: str = "") -> int | None:
    """The number in a cgroup's file, or the one behind `name` in it; None where there is none."""
    try:
        text = path.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        key, _, value = line.rpartition(" ")
        if key == name and value.isdigit():
            return int(value)
    return None


def sweep(parents: dict[str, str], prefix: str) -> list[str]:
    """Names of executions' cgroups that are there."""
    found: set[str] = set()
    for parent in set(parents.values()):
        try:
            found.update(name for name in os.listdir(parent) if name.startswith(prefix))
        except OSError:
            continue
    return sorted(found)
