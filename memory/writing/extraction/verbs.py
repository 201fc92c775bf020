"""The verbs and nouns by which sentences state something, and what they state."""

from __future__ import annotations

import re

FAMILY = (
    "sister", "brother", "mother", "father", "mom", "mum", "dad", "wife", "husband", "partner",
    "girlfriend", "boyfriend", "fiance", "fiancee", "son", "daughter", "cousin", "uncle", "aunt",
    "niece", "nephew", "grandmother", "grandfather", "dog", "cat",
)  # fmt: skip
KIN = "|".join((*FAMILY, "boss", "manager", "colleague", "friend", "neighbou?r", "roommate"))
"""Whom somebody calls "my": family, animals, people around them."""

# What a sentence says, and its verb; the longer verbs first. In braces what depends on who it is
# said of. A predicate after ">" is that of a beginning: the sentence tells when.
_VERBS: tuple[tuple[str, str], ...] = (
    (r"(?:{be})?(?:currently |now )?(?:living|residing|based) in(?! the moment\b)", "lives_in"),
    (r"(?:{have})?(?:just |recently )?(?:moved|relocated)(?: back)? to", ">lives_in"),
    (r"(?:{have})?lived in", "lived_in"),
    (r"(?:currently |now |still )?(?:live|reside){s} in(?! the moment\b)", "lives_in"),
    (r"(?:{be}(?:currently |now |still )?working|(?:currently |now |still )?work{s}) (?:at|for)"
     r"(?! the moment\b)", "works_at"),
    (r"(?:{have})?(?:just |recently )?(?:joined|started (?:working )?(?:at|with))", ">works_at"),
    (r"(?:{be}(?:currently |now |still )?working|(?:currently |now |still )?work{s}) as "
     r"(?:an?|the)", "works_as"),
    (r"(?:really |absolutely |also |still |now )?(?:like|love|enjoy|adore){s}", "likes"),
    (r"(?:really |absolutely )?(?:hate{s}|dislike{s}|can't stand|cannot stand)", "dislikes"),
    (r"(?:{do} not|{do}n't) (?:really )?(?:like|love|enjoy)", "dislikes"),
    (r"(?:really |now )?prefer{s}", "prefers"),
    (r"{be}(?:severely |very |badly )?allergic to", "allergic_to"),
    (r"(?:{be}(?:originally )?|come{s} )from", "from"),
    (r"(?:was|were) born in", "born_in"),
    (r"(?:was|were) born on", "birthday"),
    (r"speak{s}(?: fluent)?", "speaks"),
    (r"{be}married to", "married_to"),
    (r"{be}studying|stud{y}", "studies"),
    (r"{be}(?=\d{{1,3}}(?: years old\b|[.,;!]|$| and ))", "age"),
    (r"{be}(?:called|named)", "name"),
    (r"drive{s} an?", "drives"),
    (r"play{s} (?:the )?", "plays"),
    (r"own{s} (?:an? )?", "owns"),
    (r"(?:{got}|(?:also )?{has})", "has"),
    (r"{be}an? (?=[a-z])", "is_a"),
)  # fmt: skip

_NOUNS: tuple[tuple[str, str], ...] = (
    (r"(?:full |first |last )?name is", "name"),
    (r"name's", "name"),
    (r"birthday is(?: on)?", "birthday"),
    (r"e-?mail(?: address)? is", "email"),
    (r"phone(?: number)? is", "phone"),
    (r"time ?zone is", "timezone"),
    (r"fav(?:ou?rite)? (?P<what>[a-z]{1,20}(?: [a-z]{1,20})?) (?:is|are)(?: now)?", "favourite_"),
)

_FIRST = {
    "be": r"(?:am|'m) ", "have": r"(?:have|'ve) ", "has": "have", "got": r"(?:have|'ve) got",
    "do": "do", "s": "", "y": "y",
}  # fmt: skip
_THIRD = {
    "be": r"(?:is|'s) ", "have": r"(?:has|'s) ", "has": "has", "got": r"(?:has|'s) got",
    "do": "does", "s": "s", "y": "ies",
}  # fmt: skip
# After "not", "no longer", "never", "used to".
_BARE = {**_FIRST, "be": "(?:be )?", "have": "have ", "got": "have got"}


def _joined(person: dict[str, str]) -> str:
    return "|".join(f"(?P<v{at}>{verb.format(**person)})" for at, (verb, _) in enumerate(_VERBS))


FIRST, THIRD, BARE = _joined(_FIRST), _joined(_THIRD), _joined(_BARE)
"""The verbs as patterns: of "I", of a name, and of what is denied, ended or over."""

NOUNS = "|".join(f"(?P<n{at}>{noun})" for at, (noun, _) in enumerate(_NOUNS))


def predicate_of(match: re.Match[str]) -> str:
    """What the verb or noun says that a pattern made of the above has found."""
    for name, value in match.groupdict().items():
        if value is not None and name[0] in "vn" and name[1:].isdecimal():
            return (_VERBS if name[0] == "v" else _NOUNS)[int(name[1:])][1]
    raise AssertionError("a pattern without a verb")
