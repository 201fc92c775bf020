"""What facts are about: how many of a kind hold at a time, and how they read."""

from __future__ import annotations

import re

from treadle.core.errors import InputError
from treadle.memory.fact import Cardinality
from treadle.memory.writing.accepted import accepted_name
from treadle.memory.writing.extraction.verbs import KIN

_ONE = {
    "name": "{} is called {}",
    "lives_in": "{} lives in {}",
    "works_at": "{} works at {}",
    "works_as": "{} works as {}",
    "birthday": "{}'s birthday is {}",
    "born_in": "{} was born in {}",
    "birth_year": "{} was born in {}",
    "age": "{} is {} years old",
    "email": "{}'s e-mail address is {}",
    "phone": "{}'s phone number is {}",
    "married_to": "{} is married to {}",
    "relationship_status": "{} is {}",
    "timezone": "{}'s time zone is {}",
    "status": "{} is {}",
}

_MANY = {
    "nickname": "{} is also called {}",
    "likes": "{} likes {}",
    "dislikes": "{} dislikes {}",
    "prefers": "{} prefers {}",
    "allergic_to": "{} is allergic to {}",
    "from": "{} is from {}",
    "speaks": "{} speaks {}",
    "has": "{} has {}",
    "owns": "{} owns {}",
    "studies": "{} studies {}",
    "does": "{} does {}",
    "visited": "{} visited {}",
    "is_a": "{} is a {}",
    "knows": "{} knows {}",
    "plays": "{} plays {}",
    "drives": "{} drives {}",
}

ALIASES = ("name", "nickname")
"""Predicates whose object is another name of their subject."""

_OF_KIN = re.compile(rf"(?:{KIN})_of")
_LETTERS = re.compile(r"\W+")


def cardinality_of(predicate: str) -> Cardinality:
    """Whether a subject has one object at a time; `many` for what is not known."""
    return "one" if predicate in _ONE or predicate.startswith("favourite_") else "many"


def in_words(subject: str, predicate: str, obj: str) -> str:
    """A fact as a sentence."""
    phrase = _ONE.get(predicate) or _MANY.get(predicate)
    if phrase is not None:
        return phrase.format(subject, obj)
    spoken = predicate.replace("_", " ")
    if _OF_KIN.fullmatch(predicate):
        return f"{obj}'s {spoken.removesuffix(' of')} is called {subject}"
    if predicate.startswith("favourite_") or predicate.endswith("_of"):
        verb = f"'s {spoken} is" if predicate.startswith("favourite_") else f" is {spoken}"
        return f"{subject}{verb} {obj}"
    return f"{subject} {spoken} {obj}"


def predicate_key(predicate: str) -> str:
    """`predicate` as it is stored, such as `lives_in`. Raises InputError (`bad_text`)."""
    plain = _LETTERS.sub("_", accepted_name(predicate, "the predicate", 100).strip().casefold())
    plain = plain.strip("_")
    if not plain:
        raise InputError("bad_text", f"{predicate[:60]!r} is no predicate: write it like lives_in")
    return plain
