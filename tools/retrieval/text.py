"""From text to what is compared: words, pairs of words, 4-grams, clauses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

MAX_CHARACTERS = 20_000
"""Of a query; what follows is not read."""

MAX_CLAUSES = 32
"""Of a query; what follows counts for the query as a whole only."""

_GRAM = 4
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Scripts that put no spaces between words.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_SPACED_OR_NOT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\u3040-\u9fff]+")
_CLAUSE = re.compile(r"[.?!;\n。！？；、]+|,?\s(?:and|also|additionally|then)\s", re.IGNORECASE)

# Function words, a closed class: they say nothing of what a tool does, but are so rare in the
# descriptions of tools that their inverse document frequency would be high.
_LISTED = """
    a an the of to in for and or nor but is are was were be been being am i me my mine we us our
    ours you your yours he him his she her hers it its they them their theirs this that these those
    there here with without on at by from as into onto upon about over under than then so if because
    while when where which who whom whose what how why do does did done have has had having can
    could will would shall should may might must not no yes please also additionally furthermore
    moreover finally lastly want wants need needs like let lets help give gives get gets provide
    tell show able such some any each every all both more most other another same own too very just
    only s t d ll m re ve
"""
_FUNCTION_WORDS = frozenset(_LISTED.split())


def words(text: str) -> list[str]:
    """The words of `text` that carry meaning, in order, in their stems."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = [
        _stem(word)
        for word in (each.lower() for each in _WORD.findall(_HUMP.sub(" ", text)))
        if word not in _FUNCTION_WORDS
    ]
    return found if text.isascii() else [part for word in found for part in _parts(word)]


def pairs(sequence: Sequence[str]) -> list[str]:
    """Neighbouring words, as one string each that no word can be."""
    return [f"{first} {second}" for first, second in pairwise(sequence)]


def grams(word: str) -> tuple[str, ...]:
    """The different 4-grams of `word`, its ends marked."""
    marked = f"_{word}_"
    # In order: sums of floats, and with them ties, are then the same in every process.
    return tuple(dict.fromkeys(marked[i : i + _GRAM] for i in range(len(marked) - _GRAM + 1)))


def clauses(query: str) -> list[list[str]]:
    """The words of each sentence, or part of one, of `query`."""
    found = (words(part) for part in _CLAUSE.split(query[:MAX_CHARACTERS]))
    return [each for each in found if each]


def _stem(word: str) -> str:
    """Without a plural's ending: more would guess, and 4-grams find what is alike."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _parts(word: str) -> list[str]:
    """`word`, or its overlapping pairs of characters where its script has no spaces."""
    if not _UNSPACED.search(word):
        return [word]
    found: list[str] = []
    for run in _SPACED_OR_NOT.findall(word):
        if len(run) < 2 or not _UNSPACED.match(run):
            found.append(run)
        else:
            found += [run[i : i + 2] for i in range(len(run) - 1)]
    return found
