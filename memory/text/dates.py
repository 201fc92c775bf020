"""Dates in words: which stretch of time a text speaks of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOST_CHARACTERS = 2_000
"""That are looked at: dates matter in questions, which are short."""

_MOST = 4
_MONTH_NAMES = (
    "january february march april may june july august september october november december"
)
_DAY_NAMES = "monday tuesday wednesday thursday friday saturday sunday"
_NUMBER_NAMES = "zero one two three four five six seven eight nine ten eleven twelve"
_MONTHS = tuple(_MONTH_NAMES.split())
_DAYS = tuple(_DAY_NAMES.split())
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_NUMBERS = {word: number for number, word in enumerate(_NUMBER_NAMES.split())} | {
    "a": 1,
    "an": 1,
    "couple": 2,
    "few": 3,
}
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if len(name) > 3 else name for name in _MONTHS)
_MONTH = _MONTH.replace("sep(?:tember)?", "sept?(?:ember)?")


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time: from `start` up to but not including `end`."""

    start: datetime
    end: datetime


def intervals(text: str, now: datetime) -> tuple[Interval, ...]:
    """The stretches of time that `text` names, seen from `now`, in the order of the patterns.

    Understands English dates with and without day and year, ISO dates, years, seasons, "yesterday",
    "last week", "three months ago", "last Friday". What was matched once is not read again as
    something shorter; what is no date (30 February) is passed over.
    """
    rest, found = text[:MOST_CHARACTERS].casefold(), list[Interval]()
    for pattern, read in _PATTERNS:
        for match in pattern.finditer(rest):
            try:
                interval = read(match, now)
            except (ValueError, OverflowError):
                continue
            if interval is not None and len(found) < _MOST:
                found.append(interval)
        rest = pattern.sub(lambda match: " " * len(match.group()), rest)
    return tuple(found)


def _day(year: int, month: int, day: int, days: int = 1) -> Interval:
    start = datetime(year, month, day, tzinfo=UTC)
    return Interval(start, start + timedelta(days=days))


def _month(year: int, month: int, months: int = 1) -> Interval:
    last = month - 1 + months
    start = datetime(year, month, 1, tzinfo=UTC)
    return Interval(start, datetime(year + last // 12, last % 12 + 1, 1, tzinfo=UTC))


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _month_number(name: str) -> int:
    return next(at for at, each in enumerate(_MONTHS, 1) if each.startswith(name[:3]))


def _latest_year(month: int, day: int, now: datetime) -> int:
    """A date without a year is the last one that has been."""
    return now.year if (month, day) <= (now.month, now.day) else now.year - 1


def _iso(match: re.Match[str], now: datetime) -> Interval:
    year, month, day = match.groups()
    return _day(int(year), int(month), int(day)) if day else _month(int(year), int(month))


def _written(match: re.Match[str], now: datetime) -> Interval | None:
    parts = match.groupdict()
    month = _month_number(parts["month"])
    day, year = parts["day"] or parts["after"], parts["year"]
    bare = day is None and year is None
    if bare and parts["month"] in ("may", "mar", "march") and not _LEADING.search(match["before"]):
        return None  # these are words of their own
    at = int(year) if year else _latest_year(month, int(day or 1), now)
    return _day(at, month, int(day)) if day else _month(at, month)


def _season(match: re.Match[str], now: datetime) -> Interval:
    which, name, year = match.groups()
    month = _SEASONS[name]
    at = int(year) if year else _latest_year(month, 1, now)
    if which in ("last", "next") and not year:
        begun = _month(at, month, 3)
        if which == "last" and begun.end > now:
            at -= 1
        elif which == "next":
            at += 1
    return _month(at, month, 3)


def _near_day(match: re.Match[str], now: datetime) -> Interval:
    offset = {"yesterday": -1, "tomorrow": 1}.get(match.group(), 0)
    start = _midnight(now) + timedelta(days=offset)
    return Interval(start, start + timedelta(days=1))


def _near_unit(match: re.Match[str], now: datetime) -> Interval:
    which, unit = match.groups()
    offset = {"last": -1, "past": -1, "previous": -1, "next": 1}.get(which, 0)
    midnight = _midnight(now)
    if unit == "week":
        start = midnight - timedelta(days=midnight.weekday() - 7 * offset)
        return Interval(start, start + timedelta(days=7))
    if unit == "weekend":
        start = midnight - timedelta(days=midnight.weekday() - 5 - 7 * offset)
        return Interval(start, start + timedelta(days=2))
    if unit == "month":
        at = midnight.year * 12 + midnight.month - 1 + offset
        return _month(at // 12, at % 12 + 1)
    return _month(midnight.year + offset, 1, 12)


def _near_weekday(match: re.Match[str], now: datetime) -> Interval:
    which, name = match.groups()
    midnight = _midnight(now)
    back = (midnight.weekday() - _DAYS.index(name)) % 7 or 7
    start = midnight - timedelta(days=back - 7 if which == "next" else back)
    return Interval(start, start + timedelta(days=1))


def _ago(match: re.Match[str], now: datetime) -> Interval:
    written, unit = match.groups()
    count = int(written) if written.isdecimal() else _NUMBERS[written]
    midnight = _midnight(now)
    if unit == "day":
        start = midnight - timedelta(days=count)
        return Interval(start, start + timedelta(days=1))
    if unit == "week":
        start = midnight - timedelta(days=7 * count + midnight.weekday())
        return Interval(start, start + timedelta(days=7))
    if unit == "month":
        at = midnight.year * 12 + midnight.month - 1 - count
        return _month(at // 12, at % 12 + 1)
    return _month(midnight.year - count, 1, 12)


def _year(match: re.Match[str], now: datetime) -> Interval:
    return _month(int(match.group()), 1, 12)


_LEADING = re.compile(r"\b(?:in|since|during|of|until|by|last|this|next)\s*$")
_Reader = Callable[[re.Match[str], datetime], "Interval | None"]
_COUNT = "|".join(_NUMBERS)
# The longer ones first: each takes what it has read out of the text.
_PATTERNS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (re.compile(r"\b(\d{4})-(\d\d)(?:-(\d\d))?\b"), _iso),
    (
        re.compile(
            r"(?P<before>\b\w{0,8}\s?)(?:\b(?P<day>\d\d?)(?:st|nd|rd|th)?\s(?:of\s)?)?"
            rf"\b(?P<month>{_MONTH})\b\.?(?:\s(?P<after>\d\d?)(?:st|nd|rd|th)?\b)?"
            r"(?:,?\s(?P<year>\d{4})\b)?"
        ),
        _written,
    ),
    (
        re.compile(rf"\b(?:(last|this|next)\s)?({'|'.join(_SEASONS)})(?:\s(?:of\s)?(\d{{4}}))?\b"),
        _season,
    ),
    (re.compile(r"\b(?:yesterday|today|tonight|tomorrow)\b"), _near_day),
    (re.compile(r"\b(last|past|previous|this|next)\s(week|weekend|month|year)\b"), _near_unit),
    (re.compile(rf"\b(last|on|this|next)\s({'|'.join(_DAYS)})\b"), _near_weekday),
    (re.compile(rf"\b(\d{{1,4}}|{_COUNT})\s(day|week|month|year)s?\sago\b"), _ago),
    (re.compile(r"\b(?:19|20)\d\d\b"), _year),
)
