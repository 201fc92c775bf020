"""Prompts that begin alike: what they share is computed once if they meet on one engine."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

_FIRST_MARK = 1024
_MARKS = 11


@dataclass(frozen=True, slots=True)
class PrefixMark:
    """The beginning of a prompt, up to some length: equal digests, equal beginnings."""

    digest: bytes
    tokens: int


def prefix_marks(text: str, tokens_per_character: float) -> tuple[PrefixMark, ...]:
    """Marks at 1,024 characters, at 2,048 and so on, doubling; empty for short texts."""
    marks: list[PrefixMark] = []
    state = blake2b(digest_size=12)
    done, end = 0, _FIRST_MARK
    while end <= len(text) and len(marks) < _MARKS:
        state.update(text[done:end].encode("utf-8", "surrogatepass"))
        marks.append(PrefixMark(state.copy().digest(), int(end * tokens_per_character)))
        done, end = end, end * 2
    return tuple(marks)


class PrefixIndex:
    """The beginnings that an engine saw lately; bounded, the oldest are forgotten."""

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def add(self, marks: Iterable[PrefixMark]) -> None:
        """A prompt with these marks was sent there."""
        for mark in marks:
            self._seen[mark.digest] = None
            self._seen.move_to_end(mark.digest)
        while len(self._seen) > self._size:
            self._seen.popitem(last=False)

    def known(self, marks: Sequence[PrefixMark]) -> int:
        """Tokens of the longest beginning that was seen."""
        for mark in reversed(marks):
            if mark.digest in self._seen:
                return mark.tokens
        return 0

    def clear(self) -> None:
        self._seen.clear()


class PrefixGroups:
    """Which of the waiting calls begin alike."""

    def __init__(self) -> None:
        self._waiting: Counter[bytes] = Counter()

    def add(self, marks: Iterable[PrefixMark]) -> None:
        self._waiting.update(mark.digest for mark in marks)

    def remove(self, marks: Iterable[PrefixMark]) -> None:
        for mark in marks:
            self._waiting[mark.digest] -= 1
            if self._waiting[mark.digest] <= 0:
                del self._waiting[mark.digest]

    def group(self, marks: Sequence[PrefixMark]) -> bytes | None:
        """The longest beginning shared with another waiting call; None where there is none."""
        for mark in reversed(marks):
            if self._waiting[mark.digest] > 1:
                return mark.digest
        return None
