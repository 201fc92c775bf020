"""What a sentence says of its speaker or of somebody it names, by patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from treadle.memory.writing.extraction.assertion import asserted
from treadle.memory.writing.extraction.dates import stated_start
from treadle.memory.writing.extraction.found import Claim
from treadle.memory.writing.extraction.mentions import NAME, trimmed
from treadle.memory.writing.extraction.objects import born, denied, objects, whole
from treadle.memory.writing.extraction.verbs import (
    BARE,
    FIRST,
    KIN,
    NOUNS,
    THIRD,
    predicate_of,
)

_REST = r" ?(?P<rest>[^\n]{1,200})"
_I = r"(?:(?<=^)|(?<=[\s,;:(]))I"
_MY = r"(?:(?<=^)|(?<=[\s,;:(]))my"

_SPEAKER = re.compile(rf"{_I} ?(?:{FIRST})\b{_REST}", re.IGNORECASE)
_POSSESSED = re.compile(rf"{_MY} (?:{NOUNS})\b{_REST}", re.IGNORECASE)
_OTHER = re.compile(rf"(?P<name>{NAME})(?: |(?='s ))(?:{THIRD})\b{_REST}")
# "I live in Oslo and work for Equinor": the second verb has the same subject.
_AND_I = re.compile(rf",? (?:and|but) (?:{FIRST})\b{_REST}", re.IGNORECASE)
_AND_OTHER = re.compile(rf",? (?:and|but) (?:{THIRD})\b{_REST}", re.IGNORECASE)

_NAMED = r"(?:,? | is (?:called|named) |'s name is |'s (?:called|named) )"
_KIN_OF_SPEAKER = re.compile(rf"\b[Mm]y (?P<kin>{KIN}){_NAMED}(?P<name>{NAME})")
_HAS_KIN = re.compile(
    rf"\b[Ii](?: also)?(?: have|'ve got| have got) an? (?:[a-z]+ )?(?P<kin>{KIN}) "
    rf"(?:called|named) (?P<name>{NAME})"
)
_IS_MY_KIN = re.compile(rf"(?P<name>{NAME}) is my (?:[a-z]+ )?(?P<kin>{KIN})\b")
_KIN_DOES = re.compile(rf"\b[Mm]y (?P<kin>{KIN}) (?:{THIRD})\b{_REST}")
_KIN_OF_OTHER = re.compile(rf"(?P<name>{NAME}) is (?P<of>{NAME}) (?P<kin>{KIN})\b")
_ANYBODY = re.compile(r"(?:every|some|any|no)(?:body|one|thing)$", re.IGNORECASE)
_CALL_ME = re.compile(rf"\b(?:[Cc]all me|[Ee]veryone calls me) (?P<name>{NAME})")

_USED_TO = re.compile(rf"{_I} used to (?:{BARE})\b{_REST}", re.IGNORECASE)
_NO_MORE = re.compile(rf"{_I}(?: am|'m)? no longer (?:{BARE})\b{_REST}", re.IGNORECASE)
_NOT_ANY_MORE = re.compile(
    rf"{_I}(?: do not| don't| am not|'m not) (?:{BARE})\b{_REST}", re.IGNORECASE
)
_STOPPED = re.compile(
    rf"{_I} (?:have |'ve )?(?:just |recently )?(?:quit|stopped|gave up|left)"
    rf"(?P<job> my job at| working (?:at|for)| living in| playing(?: the)?)?{_REST}",
    re.IGNORECASE,
)
_STOPPED_AS = {
    "my job at": "works_at", "working at": "works_at", "working for": "works_at",
    "living in": "lives_in", "playing": "plays", "playing the": "plays",
}  # fmt: skip
_NEVER = re.compile(
    rf"{_I} ?(?P<had>have |'ve )?never (?:actually |really )?(?:{BARE})\b{_REST}",
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
    yield from _corrected(plain, speaker)
    for match in _said(_USED_TO, plain):
        for obj in objects(match["rest"], predicate := _lasting_predicate(match), plain):
            yield Claim(speaker, predicate, obj, "once")
    yield from _denied(plain, speaker, start)
    for match in _said(_STOPPED, plain):
        kind = (match["job"] or "").strip().casefold()
        for obj in objects(match["rest"], "does", plain):
            yield Claim(speaker, _STOPPED_AS.get(kind, "does"), obj, "stopped", start)
            if not kind:
                yield Claim(speaker, "works_at", obj, "stopped", start)
    for match in _said(_SPEAKER, plain):
        yield from _held(match, speaker, plain, start, lasting, _AND_I)
    for match in _said(_POSSESSED, plain):
        predicate = predicate_of(match)
        if predicate == "favourite_":
            predicate += match["what"].strip().casefold().replace(" ", "_")
        wrong = denied(match["rest"])
        for obj in objects(match["rest"] if wrong is None else wrong, predicate, plain):
            if wrong is None:
                yield Claim(speaker, predicate, obj)
            else:
                yield Claim(speaker, predicate, obj, "denied", start)
    called = _CALL_ME.search(plain)
    if called and asserted(plain, called.start()) and (name := trimmed(called["name"])):
        yield Claim(speaker, "nickname", name)


def _corrected(plain: str, speaker: str) -> Iterator[Claim]:
    """What the speaker says instead of what was said before."""
    if match := _INSTEAD.match(plain):
        wrong = objects(match["wrong"] or match["before"], "", plain)[:1]
        for right in objects(match["object"] or match["right"], "", plain)[:1]:
            if wrong:
                yield Claim(speaker, "", right, "corrects", instead_of=wrong[0])
    elif match := _CORRECTION.match(plain):
        for right in objects(match["object"], "", plain)[:1]:
            yield Claim(speaker, "", right, "corrects")


def _denied(plain: str, speaker: str, start: float | None) -> Iterator[Claim]:
    """What the speaker says is not so: any more, now, or ever."""
    for match in _said(_NO_MORE, plain):
        for obj in objects(match["rest"], predicate := _lasting_predicate(match), plain):
            yield Claim(speaker, predicate, obj, "ended", start)
    any_more = re.search(r"\bany ?more\b", plain, re.IGNORECASE) is not None
    for match in _said(_NOT_ANY_MORE, plain):
        predicate = _lasting_predicate(match)
        for obj in objects(match["rest"], predicate, plain):
            if any_more:
                yield Claim(speaker, predicate, obj, "ended", start)
            elif whole(match["rest"], obj):
                yield Claim(speaker, predicate, obj, "denied", start)
    for match in _said(_NEVER, plain):
        ever = match["had"] or predicate_of(match) == "lived_in"
        for obj in objects(match["rest"], predicate := _lasting_predicate(match), plain):
            if whole(match["rest"], obj):
                yield Claim(speaker, predicate, obj, "never" if ever else "denied", start)


def _of_others(plain: str, speaker: str, start: float | None) -> Iterator[Claim]:
    for match in _KIN_OF_OTHER.finditer(plain):
        if not asserted(plain, match.start()):
            continue
        name, other = trimmed(match["name"]), match["of"]
        if name and other.endswith("'s"):
            yield Claim(name, f"{match['kin'].casefold()}_of", trimmed(other))
    for match in _said(_OTHER, plain):
        name = trimmed(match["name"])
        if name and not _ANYBODY.match(name) and predicate_of(match) not in ("is_a", "name"):
            yield from _held(match, name, plain, start, False, _AND_OTHER)
    if not speaker:
        return
    for pattern in (_KIN_OF_SPEAKER, _HAS_KIN, _IS_MY_KIN):
        for match in pattern.finditer(plain):
            name = trimmed(match["name"])
            if name and asserted(plain, match.start()):
                yield Claim(name, f"{match['kin'].casefold()}_of", speaker)
    for match in _said(_KIN_DOES, plain):
        # What "my dog is called Rex" says is that Rex is my dog: once is enough.
        if predicate_of(match) != "name":
            subject = f"{speaker}'s {match['kin'].casefold()}"
            yield from _held(match, subject, plain, start, False, _AND_OTHER)


def _held(
    match: re.Match[str],
    subject: str,
    plain: str,
    start: float | None,
    lasting: bool,
    more: re.Pattern[str],
) -> Iterator[Claim]:
    """What a verb says, and the verbs that go on after it (`more`)."""
    rest: str = match["rest"]
    following = more.search(f" {rest}")
    if following is not None:
        rest = rest[: max(following.start() - 1, 0)]
    found = list(_stated(predicate_of(match), rest, subject, plain, start, lasting))
    yield from found
    if found and following is not None:
        yield from _held(following, subject, plain, None, lasting, more)


def _stated(
    predicate: str, rest: str, subject: str, plain: str, start: float | None, lasting: bool
) -> Iterator[Claim]:
    found = objects(rest, predicate.replace("lived_in", "lives_in"), plain)
    # A date belongs to a beginning, or to a "since": "I like the film from 1999".
    begins = predicate.startswith(">") or lasting or predicate in ("lives_in", "works_at")
    since = start if begins else None
    for obj in found:
        if predicate == "lived_in":
            # "I have lived in Rome since 2015" holds; "I lived in Rome" is over.
            still = lasting and start is not None
            yield Claim(subject, "lives_in", obj, "holds" if still else "once", start, lasting)
        elif predicate == "born_in":
            place, year = born(obj)
            if place:
                yield Claim(subject, predicate, place)
            if year:
                yield Claim(subject, "birth_year", year)
        else:
            job, employer = _employed(obj) if predicate in ("is_a", "works_as") else (obj, "")
            yield Claim(subject, predicate.lstrip(">"), job, "holds", since, lasting)
            if employer:
                yield Claim(subject, "works_at", employer, "holds", start, lasting)


def _employed(obj: str) -> tuple[str, str]:
    """A job, and where it is: "nurse at St Thomas Hospital"."""
    match = _AT.search(obj)
    return (obj, "") if match is None else (obj[: match.start()], match["employer"])


_AT = re.compile(r" (?:at|for) (?:the )?(?P<employer>[A-Z].*)$")


def _lasting_predicate(match: re.Match[str]) -> str:
    plain = predicate_of(match).lstrip(">")
    return "lives_in" if plain == "lived_in" else plain


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
