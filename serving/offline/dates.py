"""Dates in words: finds "2024-03-01", "March 1, 2024", "1st of March 2024", "today"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from treadle.serving.offline.token import Kind, Token

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september",
           "october", "november", "december")  # fmt: skip
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_YEAR = re.compile(r"[12]\d{3}")
_RELATIVE = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}

ZONES = {
    "utc": "UTC", "gmt": "UTC", "london": "Europe/London", "berlin": "Europe/Berlin",
    "paris": "Europe/Paris", "madrid": "Europe/Madrid", "rome": "Europe/Rome",
    "zurich": "Europe/Zurich", "vienna": "Europe/Vienna", "amsterdam": "Europe/Amsterdam",
    "moscow": "Europe/Moscow", "istanbul": "Europe/Istanbul", "tokyo": "Asia/Tokyo",
    "japan": "Asia/Tokyo", "seoul": "Asia/Seoul", "shanghai": "Asia/Shanghai",
    "beijing": "Asia/Shanghai", "china": "Asia/Shanghai", "singapore": "Asia/Singapore",
    "delhi": "Asia/Kolkata", "mumbai": "Asia/Kolkata", "india": "Asia/Kolkata",
    "dubai": "Asia/Dubai", "sydney": "Australia/Sydney", "melbourne": "Australia/Melbourne",
    "auckland": "Pacific/Auckland", "york": "America/New_York", "boston": "America/New_York",
    "chicago": "America/Chicago", "denver": "America/Denver", "angeles": "America/Los_Angeles",
    "francisco": "America/Los_Angeles", "california": "America/Los_Angeles",
    "toronto": "America/Toronto", "paulo": "America/Sao_Paulo", "cairo": "Africa/Cairo",
    "lagos": "Africa/Lagos", "nairobi": "Africa/Nairobi", "germany": "Europe/Berlin",
    "france": "Europe/Paris", "spain": "Europe/Madrid", "italy": "Europe/Rome",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Day:
    """A date in a request: ISO text, or days from today; `start` and `end` among the tokens."""

    text: str
    offset: int
    start: int
    end: int


def days(tokens: tuple[Token, ...]) -> list[Day]:
    """All dates among `tokens`, in order."""
    found: list[Day] = []
    at = 0
    while at < len(tokens):
        day = _iso(tokens, at) or _spelled(tokens, at) or _relative(tokens, at)
        if day is None:
            at += 1
            continue
        found.append(day)
        at = day.end
    return found


def zone(tokens: tuple[Token, ...]) -> str | None:
    """The time zone that `tokens` name, if any."""
    for token in tokens:
        if token.kind is Kind.PATH and re.fullmatch(r"[A-Z]\w+/[A-Z][\w/+-]+", token.text):
            return token.text
        if token.word in ZONES:
            return ZONES[token.word]
    return None


def _iso(tokens: tuple[Token, ...], at: int) -> Day | None:
    if tokens[at].kind is not Kind.DATE:
        return None
    head, _, rest = tokens[at].text.partition("T")
    year, month, day = head.split("-")
    text = f"{year}-{int(month):02}-{int(day):02}" + (f"T{rest}" if rest else "")
    return Day(text, 0, at, at + 1)


def _relative(tokens: tuple[Token, ...], at: int) -> Day | None:
    word = tokens[at].word
    return Day("", _RELATIVE[word], at, at + 1) if word in _RELATIVE else None


def _spelled(tokens: tuple[Token, ...], at: int) -> Day | None:
    """ "March 1, 2024" and "1st of March 2024"."""
    month, day, end = _month(tokens, at), _ordinal(tokens, at + 1), at + 2
    if month is None or day is None:
        day, end = _ordinal(tokens, at), at + 1
        if _text(tokens, end) == "of":
            end += 1
        month, end = _month(tokens, end), end + 1
    if month is None or day is None:
        return None
    if end < len(tokens) and tokens[end].kind is Kind.COMMA:
        end += 1
    year = _text(tokens, end)
    if not _YEAR.fullmatch(year):
        return None
    return Day(f"{year}-{month:02}-{day:02}", 0, at, end + 1)


def _month(tokens: tuple[Token, ...], at: int) -> int | None:
    word = _text(tokens, at).rstrip(".")
    if len(word) < 3:
        return None
    spellings = {"sept": 9} | {name[:3]: n for n, name in enumerate(_MONTHS, 1)}
    spellings |= {name: n for n, name in enumerate(_MONTHS, 1)}
    return spellings.get(word)


def _ordinal(tokens: tuple[Token, ...], at: int) -> int | None:
    found = _ORDINAL.fullmatch(_text(tokens, at))
    return int(found[1]) if found and 1 <= int(found[1]) <= 31 else None


def _text(tokens: tuple[Token, ...], at: int) -> str:
    return tokens[at].text.lower() if 0 <= at < len(tokens) else ""
