"""How a text is known again that was recalled before, in whole or within another one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from treadle.memory.kinds import Origin
from treadle.memory.writing.normal_form import fingerprint_of, near_words, without_person
from treadle.memory.writing.sentences import sentences

FEWEST_WORDS = 3
"""A shorter sentence ("ok", "thank you") is anybody's."""

_MOST_KEYS = 2_000
"""For one text; what comes after is not compared."""

_MOST_WINDOWS = 24
"""Ends of one sentence that are compared, where something is written before or after it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence, and the keys by which it would be known. The first are those of all its words."""

    start: int
    end: int
    words: int
    keys: tuple[str, ...]


def stored_keys(text: str) -> list[str]:
    """The keys of what is recalled: of each sentence, as it is and whoever says it."""
    found: dict[str, None] = {}
    for each in sentences(text):
        spoken = near_words(each.text)
        if len(spoken) < FEWEST_WORDS:
            continue
        found[_as_it_is(spoken)] = None
        found[_by_anyone(spoken)] = None
        if len(found) >= _MOST_KEYS:
            break
    return list(found)


def candidates(text: str, origin: Origin) -> list[Candidate]:
    """The sentences of `text` with what to look for.

    A person's own words are compared as they are. What an assistant or a tool writes may say "you"
    for "I", and put words before and after ("As you told me, ...").
    """
    made: list[Candidate] = []
    total = 0
    for each in sentences(text):
        spoken = near_words(each.text)
        keys: tuple[str, ...] = ()
        if len(spoken) >= FEWEST_WORDS and total < _MOST_KEYS:
            keys = tuple(_keys(spoken, by_anyone=origin is not Origin.USER))
            total += len(keys)
        made.append(Candidate(each.start, each.end, len(spoken), keys))
    return made


def _keys(spoken: list[str], *, by_anyone: bool) -> Iterable[str]:
    key = _by_anyone if by_anyone else _as_it_is
    yield key(spoken)
    # At least half of the sentence, or it says something of its own.
    least = max(FEWEST_WORDS, (len(spoken) + 1) // 2)
    most = min(len(spoken) - least, _MOST_WINDOWS)
    for cut in range(1, most + 1):
        yield key(spoken[cut:])
        if by_anyone:
            yield key(spoken[:-cut])


def _as_it_is(spoken: list[str]) -> str:
    return f"x{fingerprint_of(spoken)}"


def _by_anyone(spoken: list[str]) -> str:
    # "?" is left out: what was recalled as a statement may come back as a question, and be no news.
    plain = [word for word in without_person(spoken) if word not in ("?", "!")]
    return f"p{fingerprint_of(plain)}"
