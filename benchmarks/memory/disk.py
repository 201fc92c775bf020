"""What a folder lies on: durable writes into memory would say nothing."""

from __future__ import annotations

from pathlib import Path

_MOUNTS = Path("/proc/mounts")
_IN_MEMORY = ("tmpfs", "ramfs")


def kind_of(folder: Path) -> str:
    """The file system of `folder`, where the system tells; with a warning for one in memory."""
    if not _MOUNTS.exists():
        return "an unknown file system"
    best, kind = "", "an unknown file system"
    for line in _MOUNTS.read_text().splitlines():
        _, point, found, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return f"{kind} (IN MEMORY: give --folder on a disk)" if kind in _IN_MEMORY else kind
