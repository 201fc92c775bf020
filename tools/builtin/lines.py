"""Lines as `wc` and editors count them: ended by a newline, and the last one need not be.

`str.splitlines` also splits at form feeds and Unicode separators, which no other program does.
"""

from __future__ import annotations


def split_lines(text: str) -> list[str]:
    """The lines of `text` without their ends."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def count_lines(text: str) -> int:
    """How many lines `text` has."""
    return text.count("\n") + (bool(text) and not text.endswith("\n"))
