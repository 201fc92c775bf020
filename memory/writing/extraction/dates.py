"""When a sentence says that something began."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from treadle.core.errors import InputError
from treadle.memory.times import moment, seconds

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
            "august aug", "september sep sept", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip

_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?P<year>1[89]\d\d|20\d\d)"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)\b",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<month>{_MONTH})\.?,? {_YEAR}\b",
        rf"\b(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? {_YEAR}\b",
        rf"\b(?P<month>{_MONTH})\.?,? {_YEAR}\b",
        rf"\b(?:in|since|from|until) {_YEAR}\b",
    )
)
_AGO = re.compile(
    r"\b(?P<number>\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten) "
    r"(?P<unit>day|week|month|year)s? ago\b",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"\b(?:last (?P<unit>week|month|year)|(?P<day>yesterday|today))\b", re.IGNORECASE
)
_NUMBERS = {
    name: number
    for number, name in enumerate("one two three four five six seven eight nine ten".split(), 1)
}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


def stated_start(sentence: str, spoken_at: float) -> float | None:
    """The date in a sentence that was spoken at `spoken_at`, epoch seconds; None without one."""
    for pattern in _DATES:
        match = pattern.search(sentence)
        if match is not None:
            found = match.groupdict()
            month = found.get("month") or "1"
            number = _MONTHS.get(month.casefold()) or int(month)
            return _epoch(int(found["year"]), number, int(found.get("day") or 1))
    spoken = moment(spoken_at)
    assert spoken is not None
    days: float | None = None
    if (match := _AGO.search(sentence)) is not None:
        number_text = match["number"].casefold()
        count = int(number_text) if number_text.isdecimal() else _NUMBERS.get(number_text, 1)
        days = count * _DAYS[match["unit"].casefold()]
    elif (match := _LAST.search(sentence)) is not None:
        days = {"yesterday": 1, "today": 0}.get((match["day"] or "").casefold())
        if days is None:
            days = _DAYS[match["unit"].casefold()]
    if days is None:
        return None
    try:
        return seconds(spoken - timedelta(days=days))
    except (OverflowError, InputError):
        return None


def _epoch(year: int, month: int, day: int) -> float | None:
    try:
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:
        return None
