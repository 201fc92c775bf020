"""Dates in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.memory.text import intervals

NOW = datetime(2023, 5, 25, 12, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did Jo do in May 2023?", "2023-05-01", "2023-06-01"),
        ("on 7 May, 2023", "2023-05-07", "2023-05-08"),
        ("on July 4th, 2022", "2022-07-04", "2022-07-05"),
        ("July 4th", "2022-07-04", "2022-07-05"),
        ("in March", "2023-03-01", "2023-04-01"),
        ("on 2023-04-05", "2023-04-05", "2023-04-06"),
        ("during 2021", "2021-01-01", "2022-01-01"),
        ("yesterday", "2023-05-24", "2023-05-25"),
        ("last week", "2023-05-15", "2023-05-22"),
        ("this month", "2023-05-01", "2023-06-01"),
        ("last year", "2022-01-01", "2023-01-01"),
        ("last Friday", "2023-05-19", "2023-05-20"),
        ("three months ago", "2023-02-01", "2023-03-01"),
        ("a couple weeks ago", "2023-05-08", "2023-05-15"),
        ("in the winter of 2022", "2022-12-01", "2023-03-01"),
        ("last summer", "2022-06-01", "2022-09-01"),
    ],
)
def test_a_date_in_words_is_a_stretch_of_time(text: str, start: str, end: str) -> None:
    (found,) = intervals(text, NOW)
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["May I go?", "they march on", "June 31, 2022", "room 1024", "99999 years ago", ""]
)
def test_what_is_no_date_gives_none(text: str) -> None:
    assert intervals(text, NOW) == ()


def test_several_dates_are_all_read() -> None:
    assert len(intervals("between 3 May 2021 and June 2022", NOW)) == 2


@given(st.text(), st.datetimes(timezones=st.just(UTC)))
def test_any_text_at_any_time_is_no_error(text: str, now: datetime) -> None:
    for found in intervals(f"{text} last week yesterday {text}", now):
        assert found.start < found.end
