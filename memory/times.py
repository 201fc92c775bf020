"""Times as the store keeps them: seconds since 1970, UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from treadle.core.errors import InputError

EARLIEST = -62_135_596_800.0
"""The start of the year 1, as far back as dates go here."""

LATEST = 253_402_300_799.0
"""The end of the year 9999."""


_YEAR_OR_MONTH = re.compile(r"\d{4}(?:-\d{2})?")


def seconds(time: datetime | float | str | None) -> float | None:
    """`time` as seconds since 1970; None stays None. A datetime without a zone is in UTC.

    A text is ISO 8601; of a year, a month or a day alone the first moment is meant.

    Raises InputError (`bad_date`) for what is no date between the years 1 and 9999.
    """
    if time is None:
        return None
    if isinstance(time, str):
        time = _parsed(time)
    if isinstance(time, datetime):
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        # Not timestamp(): it overflows for the first and the last days, and rounds differently.
        try:
            span = aware - datetime(1970, 1, 1, tzinfo=UTC)
        except OverflowError:
            raise _bad(str(time)) from None
        time = span.days * 86_400 + span.seconds + span.microseconds / 1e6
    if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
        raise _bad(repr(time))
    if not EARLIEST <= time <= LATEST:
        raise _bad(repr(time))
    return float(time)


def moment(timestamp: float | None) -> datetime | None:
    """The datetime, in UTC, of what `seconds` gave."""
    if timestamp is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(timestamp * 1e6))


def exact(timestamp: float) -> float:
    """`timestamp` to the microsecond, as it comes back from a datetime."""
    made = seconds(moment(timestamp))
    assert made is not None
    return made


def _parsed(text: str) -> datetime:
    text = text.strip()
    whole = f"{text}-01-01"[:10] if _YEAR_OR_MONTH.fullmatch(text) else text
    try:
        return datetime.fromisoformat(whole)
    except ValueError:
        raise _bad(repr(text[:60])) from None


def _bad(what: str) -> InputError:
    return InputError(
        "bad_date",
        f"{what} is no date between the years 1 and 9999; write it like 2026, 2026-03, 2026-03-31 "
        "or 2026-03-31T14:00:00+02:00",
    )
