"""What a sentence says of its speaker or of somebody it names, by patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from treadle.memory.writing.extraction.assertion import asserted
from treadle.memory.writing.extraction.dates import stated_start
from treadle.memory.writing.extraction.found import Claim, How
from treadle.memory.writing.extraction.mentions import NAME, trimmed

_KIN = [
    "sister",
    "brother",
    "mother",
    "father",
    "mom",
    "mum",
    "dad",
    "wife",
    "husband",
    "partner",
    "girlfriend",
    "boyfriend",
    "fiance",
    "fiancee",
    "son",
    "daughter",
    "boss",
    "manager",
    "colleague",
    "friend",
    "neighbour",
    "neighbor",
    "roommate",
    "cousin",
    "uncle",
    "aunt",
    "grandmother",
    "grandfather",
    "dog",
    "cat",
]

# The verb of a sentence, in the first and the third person, and what it says. The longer ones come
# first. A predicate after ">" is that of a beginning: the sentence tells when.
_VERBS: tuple[tuple[str, str], ...] = (
    (r"(?:(?:am|is|'m|'s) )?(?:currently |now )?(?:living|residing|based) in", "lives_in"),
    (r"(?:(?:have|has|'ve) )?(?:just |recently )?(?:moved|relocated)(?: back)? to", ">lives_in"),
    (r"(?:(?:have|has|'ve) )?lived in", "lived_in"),
    (r"(?:currently |now |still )?(?:lives?|resides?) in", "lives_in"),
    (r"(?:(?:am|is|'m|'s) )?(?:currently |now |still )?(?:works?|working) (?:at|for)", "works_at"),
    (
        r"(?:have |has |'ve )?(?:just |recently )?(?:joined|started (?:working )?(?:at|with))",
        ">works_at",
    ),
    (
        r"(?:(?:am|is|'m|'s) )?(?:currently |now |still )?(?:works?|working) as (?:an?|the)",
        "works_as",
    ),
    (r"(?:really |absolutely |also |still |now )?(?:likes?|loves?|enjoys?|adores?)", "likes"),
    (r"(?:really |absolutely )?(?:hates?|dislikes?|can't stand|cannot stand)", "dislikes"),
    (r"(?:do not|don't|does not|doesn't) (?:really )?(?:like|love|enjoy)", "dislikes"),
    (r"(?:really |now )?prefers?", "prefers"),
    (r"(?:am|is|'m|'s) (?:severely |very |badly )?allergic to", "allergic_to"),
    (r"(?:(?:am|is|'m|'s) (?:originally )?|comes? )from", "from"),
    (r"(?:was|were) born in", "born_in"),
    (r"speaks?(?: fluent)?", "speaks"),
    (r"(?:am|is|'m|'s) married to", "married_to"),
    (r"(?:am|is|'m|'s) (?:studying)|stud(?:y|ies)", "studies"),
    (r"(?:am|is|'m|'s) (?=\d{1,3} years old)", "age"),
    (r"(?:am|is|'m|'s) (?:called|named)", "name"),
    (r"drives? an?", "drives"),
    (r"(?:plays?) (?:the )?", "plays"),
    (r"owns? (?:an? )?", "owns"),
    (r"(?:have|has|'ve got|have got|has got|'ve) (?:an? )(?=\w)", "has"),
    (r"(?:am|is|'m|'s) an? (?=[a-z])", "is_a"),
)  # fmt: skip

_NOUNS: tuple[tuple[str, str], ...] = (
    (r"(?:full |first |last )?name is", "name"),
    (r"name's", "name"),
    (r"birthday is(?: on)?", "birthday"),
    (r"e-?mail(?: address)? is", "email"),
    (r"phone(?: number)? is", "phone"),
    (r"time ?zone is", "timezone"),
    (r"fav(?:ou?rite)? (?P<what>[a-z][a-z ]{1,30}?) (?:is|are)(?: now)?", "favourite_"),
)

_VERB = "|".join(f"(?P<v{number}>{verb})" for number, (verb, _) in enumerate(_VERBS))
_NOUN = "|".join(f"(?P<n{number}>{noun})" for number, (noun, _) in enumerate(_NOUNS))
_REST = r" ?(?P<rest>[^\n]{1,200})"
_FIRST = r"(?:(?<=^)|(?<=[\s,;:(]))(?P<first>I)"
_KIN_NAMES = "|".join(_KIN)

_SPEAKER = re.compile(rf"{_FIRST} ?(?:{_VERB})\b{_REST}", re.IGNORECASE)
_POSSESSED = re.compile(rf"(?:(?<=^)|(?<=[\s,;:(]))my (?:{_NOUN})\b{_REST}", re.IGNORECASE)
_OTHER = re.compile(rf"(?P<name>{NAME})(?: |(?='s ))(?:{_VERB})\b{_REST}")
_KIN_OF_SPEAKER = re.compile(
    rf"\b[Mm]y (?P<kin>{_KIN_NAMES}) (?:is (?:called |named )?)?(?:,? )?(?P<name>{NAME})"
)
_KIN_DOES = re.compile(rf"\b[Mm]y (?P<kin>{_KIN_NAMES}) (?:{_VERB})\b{_REST}")
_KIN_OF_OTHER = re.compile(rf"(?P<name>{NAME}) is (?P<of>{NAME}) (?P<kin>{_KIN_NAMES})\b")
_CALL_ME = re.compile(rf"\b(?:[Cc]all me|[Ee]veryone calls me) (?P<name>{NAME})")
_USED_TO = re.compile(rf"{_FIRST} used to (?:{_VERB})\b{_REST}", re.IGNORECASE)
_NO_MORE = re.compile(rf"{_FIRST} no longer (?:{_VERB})\b{_REST}", re.IGNORECASE)
_NOT_ANY_MORE = re.compile(
    rf"{_FIRST} (?:do not|don't|am not|'m not) (?:{_VERB})\b{_REST}", re.IGNORECASE
)
_STOPPED = re.compile(
    rf"{_FIRST} (?:have |'ve )?(?:just |recently )?(?:quit|stopped|gave up|left)"
    rf"(?P<job> my job at| working (?:at|for)| living in| playing(?: the)?)?{_REST}",
    re.IGNORECASE,
)
_STOPPED_AS = {
    "my job at": "works_at", "working at": "works_at", "working for": "works_at",
    "living in": "lives_in", "playing": "plays", "playing the": "plays",
}  # fmt: skip
_NEVER = re.compile(
    rf"{_FIRST} (?P<had>have |'ve )?never (?:actually |really )?(?:{_VERB})\b{_REST}",
    re.IGNORECASE,
)
# Only what says that it corrects: "No, it's raining" is small talk.
_CORRECTION = re.compile(
    r"^(?:(?:no|sorry|oops|wait|correction)\b[,:. -]{0,3})?(?:sorry, )?"
    r"(?:I meant |(?:it's|it is|that's|it was) (?:actually|really) |"
    r"actually,? (?:it's|it is|that's|it was) )(?P<object>[^\n]{1,80})",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"^(?:(?:no|sorry|oops|wait|correction)\b[,:. -]{0,3})?(?:it's|it is|it was|I meant) "
    r"(?:not (?P<wrong>[^\n,]{1,80}?),? but (?P<object>[^\n]{1,80})"
    r"|(?P<right>[^\n,]{1,80}), not (?P<before>[^\n]{1,80}))",
    re.IGNORECASE,
)
_NOT = re.compile(r"^(?:not|never|no|n't|no longer|nothing|nobody|neither)\b ?", re.IGNORECASE)

_NOW_AND_AFTER = re.compile(
    r"(?:[,;.!]|\bbut\b|\bbecause\b|\band (?:I|my|now)\b|\bsince\b|\bfor \d|\bfor the past\b|"
    r"\bwhen\b|\bwhile\b|\bwhere\b|\bwho\b|\bwhich\b|\bwith\b|\bso\b|\bas of\b|\bago\b|"
    r"\b(?:in|on|from|until) (?:\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\bany ?more\b|"
    r"\b(?:now|today|yesterday|currently|again|too|either|instead|anymore|these days)\b|"
    r"\bat the moment\b"
    r"|\blast (?:week|month|year)\b|\b(?:\d+|an?|one|two|three|four|five|six) \w+ ago\b)",
    re.IGNORECASE,
)
_SEVERAL = frozenset(("likes", "dislikes", "speaks", "allergic_to", "plays"))
_AND = re.compile(r",? and | or |, ")
_ARTICLE = re.compile(r"^(?:an?|the|to be|that) ", re.IGNORECASE)
_MOST_OBJECT = 80


def claims(sentence: str, speaker: str, spoken_at: float) -> list[Claim]:
    """What `sentence` says, as claims. speaker: who "I" is; empty where nobody knows."""
    plain = sentence.replace("’", "'")
    if "?" in plain[-3:]:
        return []
    start = stated_start(plain, spoken_at)
    lasting = " since " in plain or " for " in plain
    found: list[Claim] = []
    if speaker:
        found += _of_speaker(plain, speaker, start, lasting)
    found += _of_others(plain, speaker, start)
    return found


def _of_speaker(plain: str, speaker: str, start: float | None, lasting: bool) -> Iterator[Claim]:
    if match := _INSTEAD.match(plain):
        wrong = _object(match["wrong"] or match["before"], "")[:1]
        for right in _object(match["object"] or match["right"], "")[:1]:
            if wrong:
                yield Claim(speaker, "", right, "corrects", instead_of=wrong[0])
    elif match := _CORRECTION.match(plain):
        for right in _object(match["object"], "")[:1]:
            yield Claim(speaker, "", right, "corrects")
    for match in _said(_USED_TO, plain):
        for obj in _object(match["rest"], predicate := _lasting_predicate(match)):
            yield Claim(speaker, predicate, obj, "once")
    yield from _denied(plain, speaker, start)
    for match in _said(_STOPPED, plain):
        kind = (match["job"] or "").strip().casefold()
        for obj in _object(match["rest"], "does"):
            yield Claim(speaker, _STOPPED_AS.get(kind, "does"), obj, "stopped", start)
            if not kind:
                yield Claim(speaker, "works_at", obj, "stopped", start)
    for match in _said(_SPEAKER, plain):
        yield from _held(match, speaker, _predicate(match), start, lasting)
    for match in _said(_POSSESSED, plain):
        predicate = _predicate(match)
        if predicate == "favourite_":
            predicate += match["what"].strip().casefold().replace(" ", "_")
        if negation := _NOT.match(match["rest"]):
            for obj in _object(match["rest"][negation.end() :], predicate):
                yield Claim(speaker, predicate, obj, "denied", start)
            continue
        yield from _held(match, speaker, predicate, None, lasting)
    match = _CALL_ME.search(plain)
    if match and asserted(plain, match.start()) and (name := trimmed(match["name"])):
        yield Claim(speaker, "nickname", name)


def _denied(plain: str, speaker: str, start: float | None) -> Iterator[Claim]:
    """What the speaker says is not so: any more, now, or ever."""
    for match in _said(_NO_MORE, plain):
        for obj in _object(match["rest"], predicate := _lasting_predicate(match)):
            yield Claim(speaker, predicate, obj, "ended", start)
    any_more = re.search(r"\bany ?more\b", plain, re.IGNORECASE) is not None
    for match in _said(_NOT_ANY_MORE, plain):
        predicate = _lasting_predicate(match)
        for obj in _object(match["rest"], predicate):
            if any_more:
                yield Claim(speaker, predicate, obj, "ended", start)
            elif _whole(match["rest"], obj):
                yield Claim(speaker, predicate, obj, "denied", start)
    for match in _said(_NEVER, plain):
        ever = match["had"] or _predicate(match) == "lived_in"
        for obj in _object(match["rest"], predicate := _lasting_predicate(match)):
            if _whole(match["rest"], obj):
                yield Claim(speaker, predicate, obj, "never" if ever else "denied", start)


def _whole(rest: str, obj: str) -> bool:
    """Whether nothing else follows: "I don't live in Paris alone" denies no place."""
    plain = _ARTICLE.sub("", rest.strip(" \t.,;:!\"“”'()"))
    plain = re.sub(r",? (?:now|at the moment|currently|at all|actually)$", "", plain)
    return plain.casefold() == obj.casefold()


def _of_others(plain: str, speaker: str, start: float | None) -> Iterator[Claim]:
    for match in _KIN_OF_OTHER.finditer(plain):
        if not asserted(plain, match.start()):
            continue
        name, other = trimmed(match["name"]), match["of"]
        if name and other.endswith("'s"):
            yield Claim(name, f"{match['kin'].casefold()}_of", trimmed(other))
    for match in _said(_OTHER, plain):
        name = trimmed(match["name"])
        if name and _predicate(match) not in ("is_a", "name"):
            yield from _held(match, name, _predicate(match), start, lasting=False)
    if not speaker:
        return
    for match in _KIN_OF_SPEAKER.finditer(plain):
        name = trimmed(match["name"])
        if name and asserted(plain, match.start()):
            yield Claim(name, f"{match['kin'].casefold()}_of", speaker)
    for match in _said(_KIN_DOES, plain):
        subject = f"{speaker}'s {match['kin'].casefold()}"
        yield from _held(match, subject, _predicate(match), start, lasting=False)


def _held(
    match: re.Match[str], subject: str, predicate: str, start: float | None, lasting: bool
) -> Iterator[Claim]:
    if predicate == "lived_in":
        # "I have lived in Rome since 2015" holds; "I lived in Rome" is over.
        how: How = "holds" if lasting and start is not None else "once"
        for obj in _object(match["rest"], "lives_in"):
            yield Claim(
                subject, "lives_in", obj, "holds" if how == "holds" else "once", start, lasting
            )
        return
    begins = predicate.startswith(">")
    predicate = predicate.lstrip(">")
    for obj in _object(match["rest"], predicate):
        # A date belongs to a beginning, or to a "since": "I like the film from 1999".
        since = start if begins or lasting or predicate in ("lives_in", "works_at") else None
        yield Claim(subject, predicate, obj, "holds", since, lasting)


def _lasting_predicate(match: re.Match[str]) -> str:
    plain = _predicate(match).lstrip(">")
    return "lives_in" if plain == "lived_in" else plain


def _predicate(match: re.Match[str]) -> str:
    for name, value in match.groupdict().items():
        if value is not None and name[0] in "vn" and name[1:].isdecimal():
            return (_VERBS if name[0] == "v" else _NOUNS)[int(name[1:])][1]
    raise AssertionError("a pattern without a verb")


def _said(pattern: re.Pattern[str], plain: str) -> Iterator[re.Match[str]]:
    """Where the sentence states it: not in doubt, and not in another's words."""
    position = 0
    for _ in range(8):
        match = pattern.search(plain, position)
        if match is None:
            return
        if asserted(plain, match.start(), match["rest"]):
            yield match
        # What follows may state something else: "I like tea and I live in Rome".
        position = match.start("rest")


def _object(rest: str, predicate: str) -> list[str]:
    """What is said of somebody, without what belongs to the rest of the sentence."""
    if predicate in ("birthday", "email", "phone", "born_in", "timezone"):
        cut = re.split(r"[,;!](?!\s?\d)|\.\s|\bbut\b|\band\b", rest, maxsplit=1)[0]
        parts = [cut]
    elif predicate == "age":
        parts = [rest.split(" ", 1)[0]]
    elif predicate in _SEVERAL:
        clause = re.split(r"\b(?:but|because)\b|[;.!]|,? and (?:I|my)\b", rest, maxsplit=1)[0]
        parts = _AND.split(clause)
        parts = [_NOW_AND_AFTER.split(part, maxsplit=1)[0] for part in parts]
    else:
        parts = [_NOW_AND_AFTER.split(rest, maxsplit=1)[0]]
        if predicate.endswith("works_at"):
            parts = [parts[0].split(" as ", 1)[0]]
    kept = []
    for part in parts:
        plain = _ARTICLE.sub("", part.strip(" \t.,;:!\"“”'()"))
        if (
            plain
            and not _NOT.match(plain)
            and len(plain) <= _MOST_OBJECT
            and len(plain.split()) <= 8
        ):
            kept.append(plain)
    return kept[:8]
