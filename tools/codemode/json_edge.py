"""What crosses between a snippet and the host: JSON values, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping

from treadle.core.json_value import JsonValue

_MOST_DEPTH = 64
_MOST_BITS = 4096


def json_of(value: object, most: int) -> JsonValue:
    """`value`, which came out of the interpreter, as a JSON value; tuples become lists.

    most: characters that it may have as JSON, about.

    Raises ValueError, which says what does not fit and what to do.
    """
    return _Reader(most).read(value, 0)


class _Reader:
    """Counts what it has read: one value may hold another many times over."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._most = most

    def read(self, value: object, depth: int) -> JsonValue:
        if depth > _MOST_DEPTH:
            raise ValueError(f"it is nested more than {_MOST_DEPTH} deep")
        self._take(2)
        match value:
            case None | bool():
                return value
            case int():
                if value.bit_length() > _MOST_BITS:
                    raise ValueError("it holds a whole number that is too large; make it a text")
                self._take(value.bit_length() // 3)
                return value
            case float():
                if not math.isfinite(value):
                    raise ValueError(f"it holds {value}, which JSON does not know; use None")
                return value
            case str():
                self._take(len(value))
                return _whole(value)
            case list() | tuple():
                return [self.read(each, depth + 1) for each in value]
            case Mapping():
                return {self._key(key): self.read(each, depth + 1) for key, each in value.items()}
        raise ValueError(
            f"it holds a {type(value).__name__}, which is no JSON value; use None, True, False, "
            f"numbers, texts, lists and dicts"
        )

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise ValueError(f"a dict has the key {key!r:.60}; keys are texts")
        self._take(len(key))
        return _whole(key)

    def _take(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise ValueError(f"it has more than {self._most:,} characters; make it smaller")


def _whole(text: str) -> str:
    """A text without halves of surrogate pairs, which no encoding carries."""
    return text.encode("utf-8", "replace").decode("utf-8")
