"""What is sought so that it can be erased: names as whole words, and texts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator

from treadle.core.errors import InputError

SHORTEST_TEXT = 20
"""Characters of a text that is sought. What is shorter may be anybody's words."""

SHARED = 40
"""Characters in a row that a text must share with one that is erased, to be taken for a copy."""

_FEW = 64
_LONGEST_NAME = 500

_INVISIBLE: dict[int, int | None] = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))

# Scripts that write words without spaces between them, or names with endings: there no border
# shows where a name ends.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)


def plain(text: str) -> str:
    """`text` as it is compared: one spelling of each character, no case, single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
        # Folding may leave a spelling that is not the composed one.
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.casefold().split())


def strings_of(value: object) -> Iterator[str]:
    """Every string in a JSON value, keys included."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            pending.extend(each.keys())
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def stored_strings(text: str) -> Iterator[str]:
    """The strings in what a column holds: those of its JSON where it is JSON, else itself."""
    if text[:1] in ("{", "[", '"'):
        try:
            yield from strings_of(json.loads(text))
        except (ValueError, RecursionError):
            yield text
        return
    yield text


class Sought:
    """Names and texts to be found in others.

    A name is found as whole words only, whatever its case: Ann is not in Anna. A text is found
    where it stands as a whole, or SHARED characters of it in a row.

    Raises InputError (`bad_subject`) for a name without a letter or a digit, or a very long one.
    """

    def __init__(self, names: Iterable[str] = (), texts: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(_checked(name) for name in names))
        self.texts = tuple(
            each for each in dict.fromkeys(map(plain, texts)) if len(each) >= SHORTEST_TEXT
        )
        patterns = sorted(map(_pattern, self.names), key=len, reverse=True)
        self._names = re.compile("|".join(patterns)) if patterns else None
        self._windows: dict[str, list[tuple[int, int]]] = {}
        for number, text in enumerate(self.texts):
            last = len(text) - SHORTEST_TEXT
            for start in (*range(0, last, SHORTEST_TEXT), last):
                places = self._windows.setdefault(text[start : start + SHORTEST_TEXT], [])
                places.append((number, start))

    def __bool__(self) -> bool:
        return bool(self.names or self.texts)

    def named_in(self, text: str) -> bool:
        """Whether a name stands in `text`."""
        return self._names is not None and self._names.search(plain(text)) is not None

    def quoted_in(self, text: str) -> bool:
        """Whether `text` has one of the texts in it, or a good part of it."""
        return bool(self._windows) and self._quoted(plain(text))

    def found_in(self, text: str) -> bool:
        """Whether a name or a text stands in `text`."""
        said = plain(text)
        if self._names is not None and self._names.search(said) is not None:
            return True
        return bool(self._windows) and self._quoted(said)

    def found_in_any(self, texts: Iterable[str]) -> bool:
        """Whether a name or a text stands in one of `texts`."""
        return any(self.found_in(text) for text in texts)

    def blanked(self, text: str, instead: str = "[erased]") -> str:
        """`text`, or `instead` where something sought is in it."""
        return instead if self.found_in(text) else text

    def _quoted(self, said: str) -> bool:
        if len(said) < SHORTEST_TEXT:
            return False
        if len(self._windows) <= _FEW:
            for window, places in self._windows.items():
                at = said.find(window)
                while at >= 0:
                    if self._shares(said, at, places):
                        return True
                    at = said.find(window, at + 1)
            return False
        for at in range(len(said) - SHORTEST_TEXT + 1):
            known = self._windows.get(said[at : at + SHORTEST_TEXT])
            if known is not None and self._shares(said, at, known):
                return True
        return False

    def _shares(self, said: str, at: int, places: list[tuple[int, int]]) -> bool:
        """Whether enough around position `at` is the same as at one of `places`."""
        for number, start in places[:_FEW]:
            text = self.texts[number]
            needed = min(len(text), SHARED)
            back = 0
            while back < min(at, start, needed) and said[at - back - 1] == text[start - back - 1]:
                back += 1
            shared = back + SHORTEST_TEXT
            for mine, theirs in zip(
                said[at + SHORTEST_TEXT : at + SHORTEST_TEXT + needed],
                text[start + SHORTEST_TEXT : start + SHORTEST_TEXT + needed],
                strict=False,
            ):
                if mine != theirs:
                    break
                shared += 1
            if shared >= needed:
                return True
        return False


def _checked(name: str) -> str:
    said = plain(name)
    if len(said) > _LONGEST_NAME:
        raise InputError("bad_subject", f"a name of {len(said)} characters is not one")
    if not any(each.isalnum() for each in said):
        raise InputError("bad_subject", f"{name[:60]!r} names nobody: it has no letter or digit")
    return said


def _pattern(name: str) -> str:
    """Whole words. An underscore is a border, too: `alice_notes` are Alice's."""
    before = "(?<![^\\W_])" if _has_border(name[0]) else ""
    after = "(?![^\\W_])" if _has_border(name[-1]) else ""
    return before + re.escape(name) + after


def _has_border(character: str) -> bool:
    return character.isalnum() and not _UNSPACED.match(character)
