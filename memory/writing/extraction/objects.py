"""What is said of somebody, cut out of a sentence, where it has the shape of such a thing."""

from __future__ import annotations

import re

from treadle.memory.text.stop_words import STOP_WORDS
from treadle.memory.writing.extraction.verbs import FAMILY

_MOST = 80
"""Characters of an object."""

_MOST_WORDS = 8
_MOST_OBJECTS = 8

_NOW_AND_AFTER = re.compile(
    r"(?:[,;.!]|\bbut\b|\bbecause\b|\band (?:I|we|my|now)\b|\bsince\b|\bfor \d|\bfor the past\b|"
    r"\bwhen\b|\bwhile\b|\bwhere\b|\bwho\b|\bwhich\b|\bso\b|\bas of\b|\bago\b|"
    r"'?\bcause\b|\s[-–—]\s|"
    r"\b(?:in|on|from|until) (?:\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\bany ?more\b|"
    r"\b(?:right now|now|today|yesterday|currently|again|too|either|instead|anymore)\b|"
    r"\bthese days\b|\bat the moment\b"
    r"|\blast (?:week|month|year)\b|\b(?:\d+|an?|one|two|three|four|five|six) \w+ ago\b)",
    re.IGNORECASE,
)
# What is so today is no trait of anybody.
_FOR_A_WHILE = re.compile(
    r"\b(?:today|tonight|tomorrow|temporarily|for (?:now|a while)|"
    r"(?:this|for the) (?:morning|afternoon|evening|night|day|week|weekend))\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"\b(?:but|because)\b|[:;.!]|\s[-–—]\s|,? and (?:I|we|my)\b")
_WITH = re.compile(r"\bwith\b", re.IGNORECASE)
_TASTES = frozenset(("likes", "dislikes", "prefers"))
_SEVERAL = frozenset(("likes", "dislikes", "speaks", "allergic_to", "plays", "has"))
_EXACT = frozenset(("birthday", "email", "phone", "born_in", "timezone"))
_AND = re.compile(r",? and | or |, ")
_ARTICLE = re.compile(r"^(?:an?|the|to be) ", re.IGNORECASE)
_BIT_OF = re.compile(r"^(?:an?|some) (?:bit|little bit|little) (?:of )?", re.IGNORECASE)
_NEGATION = re.compile(r"^(?:not|never|no|n't|no longer|nothing|nobody|neither)\b ?", re.IGNORECASE)

# "I like that", "I hate when", "I play around": what begins so is no thing, but points to one or
# says how. What is done may begin so: "being outdoors", "to swim".
_NO_THING = STOP_WORDS - {"my", "our", "own", "being", "having", "doing", "to"} | {
    "another", "any", "anything", "around", "along", "away", "back", "better", "every",
    "everyone", "everything", "like", "near", "nothing", "one", "somehow", "something", "us",
    "within", "without", "yet",
}  # fmt: skip
# What points to something that was said before is not understood by itself.
_POINTING = frozenset(
    ("this", "these", "those", "it", "them", "they", "he", "him", "she", "you", "your", "here")
)
_QUANTITY = frozenset(
    ("bit", "little", "lot", "few", "couple", "while", "minute", "hour", "day", "week", "month")
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_SHAPES = {
    "birthday": re.compile(rf"\d{{1,4}}[./-]\d|\b{_MONTH}", re.IGNORECASE),
    "email": re.compile(r"\S@\S"),
    "phone": re.compile(r"(?:\d\D{0,2}){4}\d"),
    "timezone": re.compile(r"[A-Z\d/]"),
    "has": re.compile(
        r"^(?:an? |\d{1,3} |one |two |three |four |five |six |several )?(?:[a-z]+ )?"
        rf"(?:(?:{'|'.join(FAMILY)})e?s?|wives|kids?|child(?:ren)?|pets?)$",
        re.IGNORECASE,
    ),
}
_BORN = re.compile(r"^(?P<place>.*?)(?:,? ?(?:in )?(?P<year>(?:18|19|20)\d\d))?$")


def objects(rest: str, predicate: str, sentence: str) -> list[str]:
    """The objects of `predicate` in `rest`, which is what follows the verb in `sentence`.

    predicate: as in the tables of verbs; empty for anything.
    """
    lasts = not predicate or predicate.startswith(">")
    if not lasts and _FOR_A_WHILE.search(re.split(r"[;.!]", rest, maxsplit=1)[0]):
        return []
    typed = sentence.casefold() == sentence  # in lower case throughout, names too
    kept = []
    for part in _parts(rest, predicate.lstrip(">")):
        raw = _BIT_OF.sub("", part.strip(" \t.,;:!\"“”'()"))
        plain = _ARTICLE.sub("", raw)
        if (
            not plain
            or _NEGATION.match(plain)
            or len(plain) > _MOST
            or len(plain.split()) > _MOST_WORDS
            or (predicate and not _has_shape(raw, plain, predicate, typed))
        ):
            # What comes after it belongs to it: "how it is calm and a form of rest".
            break
        kept.append(plain)
    return kept[:_MOST_OBJECTS]


def born(obj: str) -> tuple[str, str]:
    """The place and the year in what follows "born in"; empty where there is none."""
    match = _BORN.match(obj)
    if match is None:
        return obj, ""
    place = match["place"]
    return "" if re.match(rf"{_MONTH}\w*$", place, re.IGNORECASE) else place, match["year"] or ""


def denied(rest: str) -> str | None:
    """`rest` after a word that denies it; None where there is none."""
    negation = _NEGATION.match(rest)
    return None if negation is None else rest[negation.end() :]


def whole(rest: str, obj: str) -> bool:
    """Whether nothing else follows: "I don't live in Paris alone" denies no place."""
    plain = _ARTICLE.sub("", rest.strip(" \t.,;:!\"“”'()"))
    plain = re.sub(r",? (?:now|at the moment|currently|at all|actually)$", "", plain)
    return plain.casefold() == obj.casefold()


def _parts(rest: str, predicate: str) -> list[str]:
    if predicate in _EXACT:
        return [re.split(r"[,;!](?!\s?\d)|\.\s|\bbut\b|\band\b|\bso\b", rest, maxsplit=1)[0]]
    if predicate == "age":
        return [rest.split(" ", 1)[0]]
    if predicate in _SEVERAL:
        clause = _CLAUSE_END.split(rest, maxsplit=1)[0]
        parts = [_NOW_AND_AFTER.split(part, maxsplit=1)[0] for part in _AND.split(clause)]
        return parts if predicate in _TASTES else [_WITH.split(part)[0] for part in parts]
    part = _NOW_AND_AFTER.split(rest, maxsplit=1)[0]
    part = part if predicate in _TASTES else _WITH.split(part)[0]
    return [part.split(" as ", 1)[0] if predicate == "works_at" else part]


def _has_shape(raw: str, plain: str, predicate: str, typed: bool) -> bool:
    """Whether it can be what `predicate` is followed by: a name, a place, a thing, a date."""
    shape = _SHAPES.get(predicate)
    if shape is not None:
        return shape.search(raw) is not None
    words = [word.casefold().partition("'")[0] for word in plain.split()]
    first = words[0]
    named = _is_name(plain)
    if (not named and first in _NO_THING) or first == "to" == words[-1]:
        return False
    if not _POINTING.isdisjoint(words):
        return False
    if predicate in ("lives_in", "works_at"):
        return _named(plain, typed) or raw != plain or first in ("my", "our")
    if predicate in ("from", "born_in"):
        return _named(plain, typed) or raw.casefold().startswith(("a ", "an "))
    if predicate in (">lives_in", ">works_at", "speaks", "married_to"):
        return _named(plain, typed and raw == plain)
    if predicate == "name":
        return named or len(words) == 1
    if predicate == "is_a":
        return first not in _QUANTITY
    # "I like the second option": of what is before one. So mostly is "the idea", too.
    return named or not raw.casefold().startswith("the ") or predicate not in _TASTES


def _is_name(plain: str) -> bool:
    return not plain[0].islower() and not re.match(r"(?:I|It|You)\b", plain)


def _named(plain: str, typed: bool) -> bool:
    return _is_name(plain) or (typed and len(plain.split()) <= 3)
