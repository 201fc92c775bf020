"""Pieces of erased texts by which a trace of them would be known."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator

MOST = 500
FEWEST = 16

_SECONDS = 5
_BYTES_PER_SECOND = 1e9

_LENGTH = 24
"""Characters of a piece: short enough to lie in one page of a file, as a rule."""

_SHORTEST = 8
_SHORTEST_NAME = 4
"""Bytes; what is shorter stands in any large file by chance."""

_HEXADECIMAL = re.compile(rb"[0-9a-f]{1,11}")


def fragments(
    names: Iterable[str], texts: Iterable[str], pieces: Iterable[str], size: int
) -> list[tuple[bytes, ...]]:
    """What to look for in `size` bytes, each in the spellings in which it may be stored.

    As many as can be looked for in some seconds: all names, and of the rest an even sample.
    """
    most = int(min(MOST, max(FEWEST, _SECONDS * _BYTES_PER_SECOND / max(size, 1))))
    chosen = [
        spelled
        for name in names
        for form in dict.fromkeys((name, name.lower(), name.upper(), name.title()))
        if (spelled := _spelled(form, _SHORTEST_NAME))
    ]
    rest = [
        spelled
        for text in (*texts, *pieces)
        for cut in _cuts(text)
        if (spelled := _spelled(cut, _SHORTEST))
    ]
    rest = list(dict.fromkeys(rest))
    room = max(most - len(chosen), FEWEST)
    step = max(1, -(-len(rest) // room))
    return list(dict.fromkeys([*chosen, *rest[::step]]))


def _cuts(text: str) -> Iterator[str]:
    """The start, the middle and the end of a text."""
    text = text.strip()
    starts: Collection[int] = (0,)
    if len(text) > _LENGTH:
        starts = (0, (len(text) - _LENGTH) // 2, len(text) - _LENGTH)
    for start in starts:
        yield text[start : start + _LENGTH]


def _spelled(text: str, shortest: int) -> tuple[bytes, ...]:
    """As UTF-8, and as JSON in ASCII has it; none where it says too little."""
    plain = text.encode("utf-8", "surrogatepass")
    if len(plain) < shortest or _HEXADECIMAL.fullmatch(plain):
        return ()
    return tuple(dict.fromkeys((plain, json.dumps(text)[1:-1].encode())))
