"""Sentences, in linear time on any text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_CHARACTERS = 400
"""Of a sentence; a longer one is cut."""

# Bounded: a line of a million dots is not to be tried from each of them to its end.
_END = re.compile(r"[.!?…]{1,6}[\"'”’)\]]{0,3}(?=\s)|[\r\n]{1,100}|[。！？]")

_SHORT_FORMS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "jr",
        "sr",
        "no",
        "inc",
        "ltd",
        "co",
    ]
)

_LINE_START = " \t-*•>#–—·"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` without the marks before it, and where it stands in the whole, marks included."""

    text: str
    start: int
    end: int


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of `text`, in order; lines end them, and so do marks of lists."""
    start = 0
    for match in _END.finditer(text):
        if match.group() == "." and _is_short_form(text, match.start()):
            continue
        yield from _pieces(text, start, match.end())
        start = match.end()
    yield from _pieces(text, start, len(text))


def _is_short_form(text: str, dot: int) -> bool:
    start = max(text.rfind(" ", max(0, dot - 8), dot), text.rfind("\n", max(0, dot - 8), dot)) + 1
    word = text[start:dot].casefold()
    return word in _SHORT_FORMS or (len(word) == 1 and text[start:dot].isupper() and word != "i")


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    while start < end:
        stop = min(start + MOST_CHARACTERS, end)
        if stop < end:
            space = text.rfind(" ", start + 1, stop)
            stop = space if space > start else stop
        plain = text[start:stop].strip().lstrip(_LINE_START).strip()
        if plain:
            yield Sentence(plain, start, stop)
        start = stop
