"""What a query asks for, as far as its words show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from treadle.memory.text import Interval, intervals, terms

MOST_TERMS = 32
"""Different terms of a query that are looked for; a longer one is cut."""

MOST_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class Question:
    """A query, analysed.

    terms: each once, in the order of the query.
    topic: the terms without those that say when.
    own: whether it is about whoever asks.
    when, number, place, thing: what kind of answer it asks for.
    dates: stretches of time that it names.
    """

    terms: tuple[str, ...]
    topic: tuple[str, ...]
    own: bool
    when: bool
    number: bool
    place: bool
    thing: bool
    dates: tuple[Interval, ...]

    @property
    def only_dates(self) -> bool:
        """Whether it asks for nothing but what was at some time."""
        return bool(self.dates) and _about_events(self.topic)

    @classmethod
    def of(cls, text: str, now: datetime) -> Question:
        """The question in `text`, asked at `now`; of long texts the start counts."""
        text = text[:MOST_CHARACTERS]
        low = text.casefold()
        found = tuple(dict.fromkeys(terms(text)))[:MOST_TERMS]
        dates = intervals(text, now)
        topic = tuple(term for term in found if not (dates and _OF_DATES.fullmatch(term)))
        if _PAST_WEEK.search(low) and _about_events(topic):
            # Of the calendar, or the seven days until now: whoever asks may mean either.
            dates = (*dates, Interval(now - timedelta(days=7), now))
        return cls(
            terms=found,
            topic=topic,
            own=_OWN.search(low) is not None,
            when=_WHEN.search(low) is not None,
            number=_NUMBER.search(low) is not None,
            place=low.startswith("where"),
            thing=low.startswith(("what", "which")),
            dates=dates,
        )


_WHEN = re.compile(
    r"^(?:when|what (?:date|day|month|year|time)|in (?:which|what) (?:month|year)|"
    r"which (?:month|year)|how long ago)\b"
)
_OWN = re.compile(r"\b(?:i|me|my|mine|myself)\b")
_NUMBER = re.compile(r"\bhow (?:many|much|often|long|old)\b")


def _about_events(topic: tuple[str, ...]) -> bool:
    """Whether a topic is no more than that something was."""
    return all(_OF_EVENTS.fullmatch(term) for term in topic)


_PAST_WEEK = re.compile(r"\b(?:last|past) week\b")
_OF_EVENTS = re.compile(r"happen|event|occur|go|went|note|rememb|tell|told|say|said|thing|get|got")
_OF_DATES = re.compile(
    r"\d+|last|next|past|previous|ago|day|week|weekend|month|year|today|yesterday|tomorrow|tonight|"
    r"spring|summer|autumn|fall|winter|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|februari|"
    r"march|april|may|june|juli|august|septemb|octob|novemb|decemb|few|coupl"
)
