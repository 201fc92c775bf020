"""Results of pure calls, used again while they are fresh."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from treadle.core.clock import Clock
from treadle.core.json_value import JsonValue, compact_json
from treadle.core.taint import CLEAN, Labels

MOST_RESULTS = 1_000
"""Results that are kept; the one that was not used for longest goes first."""

MOST_CHARACTERS = 32 * 1024 * 1024
"""Characters of JSON that all kept results may have together."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A result that nobody can change: whoever thaws it gets lists and dicts of their own.

    labels: of what was read for it, beside its arguments.
    """

    _scalar: bool | int | float | str | None
    _text: str | None
    labels: Labels = CLEAN

    @classmethod
    def of(cls, value: JsonValue, labels: Labels = CLEAN) -> Frozen:
        """Freeze `value` as it is now."""
        if isinstance(value, list | dict):
            return cls(None, compact_json(value), labels)
        return cls(value, None, labels)

    def thaw(self) -> JsonValue:
        """The value, as a copy where it is mutable."""
        if self._text is None:
            return self._scalar
        value: JsonValue = json.loads(self._text)
        return value

    @property
    def characters(self) -> int:
        """About how much of the bound it takes."""
        text = self._scalar if isinstance(self._scalar, str) else self._text
        return 8 if text is None else len(text)


@dataclass(frozen=True, slots=True)
class _Entry:
    result: Frozen
    until: float


class ResultCache:
    """Frozen results by key, each for its own time: bounded in number and in weight."""

    def __init__(
        self,
        clock: Clock,
        most_results: int = MOST_RESULTS,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self._clock = clock
        self._most_results = most_results
        self._most_characters = most_characters
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._characters = 0

    def get(self, key: Hashable) -> Frozen | None:
        """The result kept under `key`, None where there is none that is still fresh."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock.monotonic() >= entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.result

    def keep(self, key: Hashable, result: Frozen, seconds: float) -> None:
        """Keep `result` for `seconds`; one too large for the cache is not kept."""
        self._drop(key)
        if result.characters > self._most_characters:
            return
        self._entries[key] = _Entry(result, self._clock.monotonic() + seconds)
        self._characters += result.characters
        while len(self._entries) > self._most_results or self._characters > self._most_characters:
            self._drop(next(iter(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._characters -= entry.result.characters
