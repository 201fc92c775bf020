"""What makes two texts the same: their words without spelling that carries no meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

# A word; a sign before a number; any other sign that carries meaning, such as "?", "%" or a smiley.
# Each alternative is linear: nothing in it can match the same text in two ways.
_WORD = re.compile(
    r"[^\W_]+(?:(?:(?<=\d)[.,:/](?=\d)|(?<=[^\W\d_])['’](?=[^\W\d_]))[^\W_]+)*"
    r"|(?<!\w)-(?=[\d.])"
    r"|[^\w\s.,;:!\"'“”‘’„()\[\]{}\-–—…*_`~|<>/\\•#]"
)

_FILLERS = frozenset(
    [
        "the",
        "please",
        "just",
        "really",
        "quite",
        "very",
        "so",
        "well",
        "oh",
        "um",
        "uh",
        "hey",
        "actually",
        "basically",
        "also",
        "too",
        "currently",
        "now",
        "indeed",
    ]
)
"""Words that change nothing about what is said. Negations and prepositions are not among them."""

_ARTICLES = frozenset(("a", "an"))

_SHORT_IS = frozenset(
    [
        "it",
        "that",
        "he",
        "she",
        "what",
        "there",
        "here",
        "who",
        "where",
        "how",
        "this",
        "everything",
    ],
)

_CONTRACTED = {"can't": ("can", "not"), "won't": ("will", "not"), "cannot": ("can", "not")}

_ENDINGS = {"'m": "am", "'re": "are", "'ve": "have", "'ll": "will"}

_PERSONS = {
    **dict.fromkeys(("i", "me", "you", "he", "she", "him", "they", "them", "user"), "@"),
    **dict.fromkeys(("my", "your", "his", "her", "their", "mine", "yours"), "@s"),
    **dict.fromkeys(("am", "are", "is", "was", "were"), "be"),
    **dict.fromkeys(("have", "has", "had"), "have"),
}


def content_hash(text: str) -> str:
    """What tells `text` as it is from every other."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def words(text: str) -> list[str]:
    """The words of `text` in order: NFKC, without case, contractions written out."""
    found: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        found += _written_out(match.group().casefold().replace("’", "'"))
    return found


def near_words(text: str) -> list[str]:
    """The words of `text` without those that change nothing; never empty.

    Two texts with the same ones say the same: numbers, names and negations are all among them.
    """
    found: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        raw = match.group()
        # "vitamin A" has a capital where an article has none.
        if raw in _ARTICLES or (not found and raw.casefold() in _ARTICLES):
            continue
        found += _written_out(raw.casefold().replace("’", "'"))
    kept = [word for word in found if word not in _FILLERS]
    return kept or found or [" ".join(text.casefold().split())]


def fingerprint(text: str) -> str:
    """Equal for texts that say the same in nearly the same words."""
    return fingerprint_of(near_words(text))


def fingerprint_of(found: Sequence[str]) -> str:
    """The fingerprint of words that `near_words` gave, or of some of them."""
    return blake2b("\x1f".join(found).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def without_person(found: Sequence[str]) -> list[str]:
    """`found` such that "I live", "you live" and "she lives" are one."""
    return [
        _PERSONS.get(word) or (word[:-1] if len(word) > 3 and word.endswith("s") else word)
        for word in found
        if word not in _ARTICLES
    ]


def name_key(name: str) -> str:
    """What is equal for the ways of writing one name: `Zürich`, `ZURICH`, `Dr. Zurich's`."""
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", name)
        if not unicodedata.combining(character)
    )
    found = near_words(plain.replace("-", " "))
    if found and found[-1].endswith("'s"):
        found = [*found[:-1], found[-1][:-2]]
    return " ".join(found)[:500]


def _written_out(word: str) -> tuple[str, ...]:
    if "'" not in word and word != "cannot":
        return (word,)
    known = _CONTRACTED.get(word)
    if known is not None:
        return known
    if word.endswith("n't"):
        return (word[:-3], "not")
    for ending, meaning in _ENDINGS.items():
        if word.endswith(ending):
            return (word[: -len(ending)], meaning)
    if word.endswith("'s") and word[:-2] in _SHORT_IS:
        return (word[:-2], "is")
    return (word,)
