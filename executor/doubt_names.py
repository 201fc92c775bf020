"""How a person names calls that are in doubt."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ITEM = re.compile(r"(.+)\[(\d{1,9})\]", re.DOTALL)
_MOST_NAMED = 20


def names_in_doubt(step_id: str, open_calls: Iterable[int | None]) -> list[str]:
    """How a person names the calls of a step that are in doubt: `STEP`, or `STEP[INDEX]` each."""
    indexes = sorted(index for index in open_calls if index is not None)
    return [f"{step_id}[{index}]" for index in indexes] or [step_id]


def in_words(names: list[str]) -> str:
    """`names` in a sentence, the first of them where they are many."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def read_name(name: str) -> tuple[str, int | None]:
    """The step, and the item of its fan-out, that `STEP` or `STEP[INDEX]` names."""
    found = _ITEM.fullmatch(name)
    return (name, None) if found is None else (found[1], int(found[2]))
