"""What is wrong with a value is said without the machinery that found out."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import AfterValidator, TypeAdapter, ValidationError

from treadle.core.invalid import reason_of


def even(value: int) -> int:
    assert value < 100, "Too large"
    if value % 2:
        raise ValueError("An even number, as in Value error, is wanted")
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "An even number, as in Value error, is wanted"),
        (101, "Too large"),
        ("x", "input should be a valid integer, unable to parse string as an integer"),
    ],
)
def test_only_the_reason_is_left(value: object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Annotated[int, AfterValidator(even)]).validate_python(value)
    (problem,) = caught.value.errors()
    assert reason_of(problem).partition("\n")[0] == said
