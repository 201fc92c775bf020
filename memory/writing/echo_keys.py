"""How a text is known again that was recalled before, in whole or within another one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from treadle.memory.kinds import Origin
from treadle.memory.writing.normal_form import (
    fingerprint,
    fingerprint_of,
    near_words,
    without_person,
)
from treadle.memory.writing.sentences import sentences

FEWEST_WORDS = 3
"""A shorter sentence ("ok", "thank you") is anybody's."""

_MOST_KEYS = 2_000
"""For one text; what comes after is not compared."""

_MOST_WINDOWS = 24
"""Ends of one sentence that are compared, where something is written before or after it."""


_SPEAKER = re.compile(
    r"^(?:\[[^\]\n]{1,40}\] ?(?:[\w.-]{1,40}: )?|(?:user|assistant|human|ai): )", re.IGNORECASE
)
"""What a prompt writes before a turn: its time and who said it."""

_FRAME = frozenset(
    [
        "as",
        "you",
        "told",
        "me",
        "said",
        "say",
        "mentioned",
        "i",
        "remember",
        "recall",
        "that",
        "sure",
        "of",
        "course",
        "yes",
        "ok",
        "okay",
        "here",
        "is",
        "are",
        "what",
        "be",
        "before",
        "earlier",
        "previously",
        "user",
        "assistant",
        "according",
        "to",
        "my",
        "your",
        "notes",
        "memory",
        "from",
        "great",
        "thanks",
        "thank",
        "well",
        "remembered",
        "know",
        "the",
        "it",
        "and",
        "have",
        "has",
    ]
)
"""Words with which a reply leads up to what it quotes; no negation and no doubt is among them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence, and the keys by which it would be known. empty: whether it says nothing."""

    start: int
    end: int
    keys: tuple[str, ...]
    empty: bool = False


def stored_keys(text: str) -> list[str]:
    """The keys of what is recalled: of each sentence, as it is and whoever says it."""
    found: dict[str, None] = {}
    for each in sentences(text):
        spoken = near_words(each.text)
        if len(spoken) < FEWEST_WORDS:
            continue
        found[_as_it_is(each.text)] = None
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
            if origin is Origin.USER:
                keys = (_as_it_is(each.text),)
            else:
                plain = near_words(_SPEAKER.sub("", each.text))
                keys = tuple(_keys(plain if len(plain) >= FEWEST_WORDS else spoken))
            total += len(keys)
        made.append(Candidate(each.start, each.end, keys, says_nothing(spoken)))
    return made


def _keys(spoken: list[str]) -> Iterable[str]:
    yield _by_anyone(spoken)
    # "As you told me, ..." says nothing of its own; "It is false: ..." does.
    most = min(len(spoken) - FEWEST_WORDS, _MOST_WINDOWS)
    for cut in range(1, most + 1):
        if says_nothing(spoken[:cut]):
            yield _by_anyone(spoken[cut:])
        if says_nothing(spoken[-cut:]):
            yield _by_anyone(spoken[:-cut])


def says_nothing(spoken: Iterable[str]) -> bool:
    """Whether all of these words only lead up to what was recalled."""
    return all(word in _FRAME or word[0].isdigit() for word in spoken)


def _as_it_is(text: str) -> str:
    return f"x{fingerprint(text)}"


def _by_anyone(spoken: list[str]) -> str:
    # "?" is left out: what was recalled as a statement may come back as a question, and be no news.
    plain = [word for word in without_person(spoken) if word not in ("?", "!")]
    return f"p{fingerprint_of(plain)}"
