"""Where on this machine cgroups can be made that bound an execution's totals."""

from __future__ import annotations

import os
from pathlib import Path

VERSION_1 = ("memory", "pids")
OPTIONAL = ("cpuacct",)


def cgroup_parents(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> dict[str, str]:
    """The folders to make cgroups in: `memory` and `pids` (version 1), or `unified` (version 2).

    Empty where there are none, or not both: totals cannot be bounded then.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return {}
    paths = {kind: path for _number, kinds, path in _fields(lines) for kind in kinds.split(",")}
    first = {kind: _writable(root / kind, paths[kind]) for kind in VERSION_1 if kind in paths}
    if len(first) == len(VERSION_1) and all(first.values()):
        for kind in OPTIONAL:
            found = _writable(root / kind, paths.get(kind, ""))
            if found:
                first[kind] = found
        return {kind: str(place) for kind, place in first.items()}
    if "" in paths:
        found = _unified(root, paths[""])
        if found is not None:
            return {"unified": str(found)}
    return {}


def _fields(lines: list[str]) -> list[tuple[str, str, str]]:
    split = (line.split(":", 2) for line in lines)
    return [(each[0], each[1], each[2]) for each in split if len(each) == 3]


def _writable(mount: Path, path: str) -> Path | None:
    """The caller's own cgroup where it can be seen, else the top of the mount."""
    for place in (mount / path.lstrip("/"), mount):
        if (place / "cgroup.procs").is_file() and os.access(place, os.W_OK):
            return place
    return None


def _unified(root: Path, path: str) -> Path | None:
    """The nearest cgroup that hands memory and pids down: one with processes of its own cannot."""
    place = root / path.lstrip("/")
    while place.is_relative_to(root):
        try:
            handed_down = (place / "cgroup.subtree_control").read_text().split()
        except OSError:
            handed_down = []
        if {"memory", "pids"} <= set(handed_down) and os.access(place / "cgroup.procs", os.W_OK):
            return place
        if place == root:
            break
        place = place.parent
    return None
