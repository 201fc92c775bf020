"""Names as they stand in texts: whole words, whatever joins their parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

BETWEEN = re.compile(r"[\s._-]+")
"""What stands between the parts of a name, in any of its spellings."""

_LEAST_JOINED = 8
"""Letters of a name of several parts that is found written as one word, too."""

_FEW = 32
"""Names that are sought together; of more those alone whose first word stands in the text, as each
costs a look at every place of it."""

_WORD = re.compile(r"[^\W_]+")

# Scripts that write words without spaces between them, or names with endings: there no border
# shows where a name ends.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)


class NamePatterns:
    """Finds any of `names` in texts; both as `plain` makes them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._by_word: dict[str, list[str]] = {}
        always: list[str] = []
        for name in names:
            if len(names) <= _FEW or _UNSPACED.search(name):
                always.append(name)
            else:
                for word in _first_words(name):
                    self._by_word.setdefault(word, []).append(name)
        self._always = _together(always)

    def stand_in(self, said: str) -> bool:
        """Whether one of the names stands in `said`."""
        if self._always is not None and self._always.search(said) is not None:
            return True
        if not self._by_word:
            return False
        words = set(_WORD.findall(said.replace("%20", " ")))
        met = sorted({name for word in words for name in self._by_word.get(word, ())})
        some = (met[start : start + _FEW] for start in range(0, len(met), _FEW))
        return any(_found(each, said) for each in some)


def _found(names: Iterable[str], said: str) -> bool:
    pattern = _together(names)
    return pattern is not None and pattern.search(said) is not None


def _together(names: Iterable[str]) -> re.Pattern[str] | None:
    patterns = sorted(map(_pattern, names), key=len, reverse=True)
    return re.compile("|".join(patterns)) if patterns else None


def _first_words(name: str) -> set[str]:
    """The words with which a text may begin to have the name, one of them always."""
    words = _WORD.findall(name)
    if not _may_be_one_word(BETWEEN.split(name)):
        return {words[0]}
    return {"".join(words[: count + 1]) for count in range(len(words))}


def _may_be_one_word(parts: Sequence[str]) -> bool:
    """What is joined to one word is told from others by its length alone."""
    return sum(map(len, parts)) >= _LEAST_JOINED and all(len(part) > 2 for part in parts)


def _pattern(name: str) -> str:
    """Whole words. An underscore is a border, too: `alice_notes` are Alice's.

    Between its parts may stand what joins words in addresses and names of files.
    """
    before = "(?<![^\\W_])" if _has_border(name[0]) else ""
    if name[0].isascii() and name[0].isalnum():
        before = f"(?:(?<=%20)|{before})"
    after = "(?![^\\W_])" if _has_border(name[-1]) else ""
    parts = BETWEEN.split(name)
    between = r"(?:[\s._+-]|%20){0,3}" if _may_be_one_word(parts) else r"(?:[\s._+-]|%20){1,3}"
    return before + between.join(map(re.escape, parts)) + after


def _has_border(character: str) -> bool:
    return character.isalnum() and not _UNSPACED.match(character)
