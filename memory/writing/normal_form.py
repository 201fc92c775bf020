"""What makes two texts the same: their words without spelling that carries no meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

# A word; a sign before a number or an option; any other sign that carries meaning, such as "?",
# "%", "<", the "#" of "C#" or a smiley.
# Each alternative is linear: nothing in it can match the same text in two ways.
_WORD = re.compile(
    r"[^\W_]+(?:(?:(?<=\d)[.,:/-](?=\d)|(?<=[^\W\d_])['’.](?=[^\W\d_]))[^\W_]+)*"
    r"|(?<![\w-])-(?=[\w.])"
    r"|(?<=\w)_(?=\w)|\*(?=\d)|(?<=[\d ])\*(?=[\d ])"
    r"|[^\w\s.,;:!\"'“”‘’„()\[\]{}\-–—…*_`•]"
)
_WIDTHS = ("<wide>", "<narrow>", "<compat>", "<noBreak>")
_MARKED = ("LATIN", "GREEK", "CYRILLIC")
_NEGATIONS = frozenset(
    ("not", "no", "never", "none", "nor", "neither", "nobody", "nothing", "without", "hardly")
)
_SECRETS = frozenset(
    (
        "password",
        "passwort",
        "passphrase",
        "passcode",
        "code",
        "key",
        "token",
        "secret",
        "pin",
        "id",
    )
)
_NO_TITLES = frozenset(("who", "which", "them", "us", "it", "the", "a", "an"))

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
    **dict.fromkeys(("am", "are", "is"), "be"),
    **dict.fromkeys(("was", "were"), "was"),
    **dict.fromkeys(("have", "has"), "have"),
}


def content_hash(text: str) -> str:
    """What tells `text` as it is from every other."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def near_words(text: str) -> list[str]:
    """The words of `text` without those that change nothing; never empty.

    Two texts with the same ones say the same: numbers, names and negations are all among them.
    Beside a negation no word goes ("not just tea"), and after "password" no capital.
    """
    found: list[str] = []
    exactly = False
    for match in _WORD.finditer(_one_width(text)):
        raw = match.group()
        # "vitamin A" has a capital where an article has none.
        if raw in _ARTICLES or (not found and raw.casefold() in _ARTICLES):
            continue
        found += _written_out((raw if exactly else raw.casefold()).replace("’", "'"))
        exactly = exactly or raw.casefold() in _SECRETS
    kept = found
    if not _NEGATIONS.intersection(found):
        kept = [word for word in found if word not in _FILLERS]
    return kept or found or [" ".join(text.casefold().split())]


def _one_width(text: str) -> str:
    """`text` composed, and in letters of one width; a raised 5 stays another sign than a 5."""
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        unicodedata.normalize("NFKC", each)
        if unicodedata.decomposition(each).startswith(_WIDTHS)
        else each
        for each in composed
    )


def _without_marks(text: str) -> str:
    """`text` without accents where they are spelling: in Japanese they make another letter."""
    if text.isascii():
        return text
    kept: list[str] = []
    marked = False
    for each in unicodedata.normalize("NFD", text):
        if not unicodedata.combining(each):
            marked = unicodedata.name(each, "").startswith(_MARKED)
        elif marked:
            continue
        kept.append(each)
    return unicodedata.normalize("NFC", "".join(kept))


def fingerprint(text: str) -> str:
    """Equal for texts that are one but for white space, the last full stop and the first capital.

    Nothing else is folded: of two texts that differ in more, the second would be lost.
    """
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    plain = re.sub(r"(?<=[^\W\d_])[.!]$", "", plain.removesuffix("."))
    first, _, rest = plain.partition(" ")
    if rest and (first[1:].islower() or len(first) == 1):
        plain = f"{first.casefold()} {rest}"
    return fingerprint_of([plain])


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
    """What is equal for the ways of writing one name: `Zürich`, `ZURICH`, `Dr. Zurich's`.

    Signs stay (`C#` is not `C`), and so do capitals beside digits.
    """
    plain = _without_marks(_one_width(name)).replace("’", "'")
    plain = re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", " ", plain)
    found = [
        word if any(each.isdigit() for each in word) else word.casefold()
        for word in (match.group() for match in _WORD.finditer(plain))
    ]
    while len(found) > 1 and found[0] in ("the", "a", "an") and found[1] not in _NO_TITLES:
        found = found[1:]
    if found and found[-1].endswith("'s"):
        found = [*found[:-1], found[-1][:-2]]
    return (" ".join(found) or " ".join(name.casefold().split()))[:500]


def object_key(predicate: str, obj: str) -> str:
    """`name_key` of the object of a fact; of a secret or a code, as it is written."""
    if _SECRETS.intersection(predicate.split("_")):
        return " ".join(obj.split())[:500]
    return name_key(obj)


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
