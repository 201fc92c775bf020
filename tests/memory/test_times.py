"""Times as the store keeps them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from treadle.core.errors import InputError
from treadle.memory.times import moment, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020", datetime(2020, 1, 1, tzinfo=UTC)),
        (" 2020-05 ", datetime(2020, 5, 1, tzinfo=UTC)),
        ("2020-05-07", datetime(2020, 5, 7, tzinfo=UTC)),
        ("0001", datetime(1, 1, 1, tzinfo=UTC)),
        ("2020-05-07T10:00:00+02:00", datetime(2020, 5, 7, 8, tzinfo=UTC)),
    ],
)
def test_of_a_stretch_of_time_the_first_moment_counts(text: str, expected: datetime) -> None:
    assert moment(seconds(text)) == expected


@pytest.mark.parametrize("text", ["0000", "20", "2020-13", "2020-5", "-1000", "20201", "2020-", ""])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        seconds(text)
    assert refused.value.code == "bad_date"
