"""`treadle memory bench`."""

from __future__ import annotations

from pathlib import Path

from treadle.cli.memory_options import MemoryOptions
from treadle.cli.options import settings
from treadle.core.errors import InputError


def conversations_of(text: str | None) -> tuple[int, ...] | None:
    """`0,2` as numbers; None for all. Raises InputError (`bad_usage`)."""
    if text is None:
        return None
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        raise InputError(
            "bad_usage", f"--conversations {text[:40]!r}: numbers from 0, with commas"
        ) from None
