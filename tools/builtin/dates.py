"""Date and time."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from datetime import date as calendar_date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool


class Difference(TypedDict):
    """From start to end, negative if the end comes first; `days` are whole ones."""

    days: int
    seconds: float
    text: str


@tool(effect=Effect.READ)
def current_time(timezone: str = "UTC") -> str:
    """The current date and time, ISO 8601 with the offset.

    Args:
        timezone: an IANA name such as Europe/Berlin
    """
    if timezone.strip().upper() == "UTC":
        # Systems without a time zone database know this one, too.
        return datetime.now(UTC).isoformat(timespec="seconds")
    try:
        zone = ZoneInfo(timezone.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(
            "unknown_timezone",
            f"there is no time zone '{timezone[:60]}'; use names like Asia/Tokyo",
        ) from None
    return datetime.now(zone).isoformat(timespec="seconds")


@tool(effect=Effect.PURE)
def date_difference(start: str, end: str) -> Difference:
    """How long it is from one date or time to another.

    Args:
        start: ISO 8601, such as 2024-02-10 or 2024-02-10T12:00:00+01:00 (UTC if without offset)
        end: likewise
    """
    first, last = _parse(start), _parse(end)
    if _is_date(start) or _is_date(end):
        # Between a date and a moment, days are what is asked for.
        first, last = (
            each.replace(hour=0, minute=0, second=0, microsecond=0) for each in (first, last)
        )
        first, last = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
    span = last - first
    days = abs(span).days * (1 if span >= timedelta() else -1)
    return {"days": days, "seconds": span.total_seconds(), "text": _in_words(span)}


@tool(effect=Effect.PURE)
def add_to_date(
    date: str, days: int = 0, weeks: int = 0, months: int = 0, years: int = 0, hours: float = 0
) -> str:
    """Move a date or time; months and years keep the day, or take the month's last one.

    Args:
        date: ISO 8601; the result has the same form
        days: may be negative, like the others
    """
    moment = _parse(date)
    try:
        months_in_all = moment.year * 12 + moment.month - 1 + years * 12 + months
        year, month = divmod(months_in_all, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        moved = moment.replace(year=year, month=month + 1, day=day)
        moved += timedelta(days=days, weeks=weeks, hours=hours)
    except (ValueError, OverflowError, calendar.IllegalMonthError):
        raise ToolError(
            "date_out_of_range", "the result is not between the years 1 and 9999"
        ) from None
    if _is_date(date):
        return moved.date().isoformat() if not hours else moved.replace(tzinfo=None).isoformat()
    has_offset = datetime.fromisoformat(date.strip()).tzinfo is not None
    return (moved if has_offset else moved.replace(tzinfo=None)).isoformat()


def date_tools() -> tuple[Tool, ...]:
    """The tools for dates and times."""
    return current_time, date_difference, add_to_date


def _parse(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ToolError(
            "bad_date", f"'{text[:60]}' is not a date in ISO 8601, such as 2024-02-10"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _is_date(text: str) -> bool:
    try:
        calendar_date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _in_words(span: timedelta) -> str:
    total = int(abs(span).total_seconds())
    days, rest = divmod(total, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in (
            (days, "day"),
            (hours, "hour"),
            (minutes, "minute"),
            (seconds, "second"),
        )
        if count
    ]
    words = ", ".join(parts) or "0 days"
    return f"-({words})" if span < timedelta() else words
