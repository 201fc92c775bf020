"""What is sought so that it can be erased: names as whole words, and texts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator

from treadle.core.errors import InputError
from treadle.memory.erasure.name_patterns import BETWEEN, NamePatterns

SHORTEST_TEXT = 20
"""Characters of a text that is sought within others. What is shorter may be anybody's words: it is
sought as a whole text only."""

SHARED = 40
"""Characters in a row that a text must share with one that is erased, to be taken for a copy."""

LONG_SHARED = 200
"""Characters in a row that are a copy however much else the text says."""

_MOST_OF_IT = 0.8
"""The part of a text that shorter copies must make up: a phrase of a long text is nobody's."""

_FEW = 64
_MOST_TRIES = 20_000
"""Places of one text that are compared; text of endless repetitions is looked at as a whole."""

_LONGEST_NAME = 500
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# Accents of Latin, Greek and Cyrillic letters; elsewhere marks make other letters.
_ACCENTS = re.compile("[\u0300-\u036f]")
_HYPHENS = re.compile("[\u2010-\u2015\u2212]")

_PRONOUNS = """i me my mine myself you your we us our he him his she her it its they them their
a an the this that who everyone everybody someone"""
_NOBODY = frozenset(_PRONOUNS.split())
"""Words that are no names: all that anybody has said would go with them."""


def plain(text: str) -> str:
    """`text` as it is compared: one spelling of each character, no case, accents or invisible
    characters, single spaces.
    """
    if not text.isascii():
        text = _folded(_folded(text))  # folding may leave a spelling that is to be folded, too
    return " ".join(text.casefold().split())


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).casefold()
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return _HYPHENS.sub("-", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))


def is_name(text: str) -> bool:
    """Whether a name could be sought: it has a letter or a digit, and is no pronoun or article."""
    said = plain(text)
    return len(said) <= _LONGEST_NAME and any(map(str.isalnum, said)) and said not in _NOBODY


def is_proper(text: str) -> bool:
    """Whether it is written as a name is, and not as a word that stands anywhere: "Bo", "roof"."""
    written = text != text.lower() or not any(map(str.isascii, text))
    return is_name(text) and written and len(plain(text)) > 1


def meant(subject: str) -> str:
    """`subject`, if it names somebody. Raises InputError (`bad_subject`) for "me", "I" or "a"."""
    if plain(subject) in _NOBODY:
        raise InputError(
            "bad_subject",
            f"{subject[:60]!r} is no name; say whom you mean (memory knows you as `user`)",
        )
    return subject


def parts_of(name: str) -> list[str]:
    """The parts of a name that are long enough to tell of it."""
    return [part for part in BETWEEN.split(plain(name)) if len(part) > 2 and is_name(part)]


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

    A name is found as whole words only, whatever its case and what stands between its parts: Ann
    is not in Anna. A text is found where it stands as a whole, where SHARED characters of it are
    nearly all of another text, or LONG_SHARED a part of it; a short one where it is all of another.

    Raises InputError (`bad_subject`) for a name without a letter or a digit, or a very long one.
    """

    def __init__(self, names: Iterable[str] = (), texts: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(_checked(name) for name in names))
        said = tuple(dict.fromkeys(map(plain, texts)))
        self.texts = tuple(each for each in said if len(each) >= SHORTEST_TEXT)
        self.short = frozenset(
            each for each in said if len(each) < SHORTEST_TEXT and _tells_apart(each)
        )
        self._names = NamePatterns(self.names)
        self._windows: dict[str, list[tuple[int, int]]] = {}
        for number, text in enumerate(self.texts):
            last = len(text) - SHORTEST_TEXT
            for start in (*range(0, last, SHORTEST_TEXT), last):
                places = self._windows.setdefault(text[start : start + SHORTEST_TEXT], [])
                if len(places) < _FEW:
                    places.append((number, start))

    def __bool__(self) -> bool:
        return bool(self.names or self.texts or self.short)

    def named_in(self, text: str) -> bool:
        """Whether a name stands in `text`."""
        return self._names.stand_in(plain(text))

    def quoted_in(self, text: str) -> bool:
        """Whether `text` has one of the texts in it, or a good part of it."""
        return self._quoted(plain(text))

    def found_in(self, text: str) -> bool:
        """Whether a name or a text stands in `text`."""
        said = plain(text)
        return self._names.stand_in(said) or self._quoted(said)

    def found_in_any(self, texts: Iterable[str]) -> bool:
        """Whether a name or a text stands in one of `texts`."""
        return any(self.found_in(text) for text in texts)

    def blanked(self, text: str, instead: str = "[erased]") -> str:
        """`text`, or `instead` where something sought is in it."""
        return instead if self.found_in(text) else text

    def _quoted(self, said: str) -> bool:
        if len(said) < SHORTEST_TEXT:
            return said in self.short
        if not self._windows:
            return False
        tries = 0
        for at, places in self._met(said):
            if any(self._shares(said, at, number, start) for number, start in places):
                return True
            tries += len(places)
            if tries > _MOST_TRIES:
                return any(text in said for text in self.texts)
        return False

    def _met(self, said: str) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Where a piece of a text stands in `said`, with its places in the texts."""
        if len(self._windows) <= _FEW:
            for window, places in self._windows.items():
                at = said.find(window)
                while at >= 0:
                    yield at, places
                    at = said.find(window, at + 1)
            return
        for at in range(len(said) - SHORTEST_TEXT + 1):
            known = self._windows.get(said[at : at + SHORTEST_TEXT])
            if known is not None:
                yield at, known

    def _shares(self, said: str, at: int, number: int, start: int) -> bool:
        """Whether enough around position `at` is the same as at `start` of a text."""
        text = self.texts[number]
        if said.startswith(text, max(at - start, 0)) and at >= start:
            return True
        before = said[max(at - LONG_SHARED, 0) : at][::-1]
        back = _same(before, text[max(start - LONG_SHARED, 0) : start][::-1])
        after = _same(said[at : at + LONG_SHARED], text[start : start + LONG_SHARED])
        shared = back + after
        if shared >= LONG_SHARED:
            return True
        return shared >= SHARED and shared >= _MOST_OF_IT * len(said)


def _same(one: str, other: str) -> int:
    """How many characters both begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _tells_apart(text: str) -> bool:
    """Whether a short text is more than a word that stands anywhere: it has several, or digits."""
    return len(text) >= 4 and (" " in text or any(map(str.isdigit, text)))


def _checked(name: str) -> str:
    said = plain(name)
    if len(said) > _LONGEST_NAME:
        raise InputError("bad_subject", f"a name of {len(said)} characters is not one")
    if not any(each.isalnum() for each in said):
        raise InputError("bad_subject", f"{name[:60]!r} names nobody: it has no letter or digit")
    return said
