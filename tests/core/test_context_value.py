"""A context variable that is set for a while."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from treadle.core.context_value import set_for

number: ContextVar[int] = ContextVar("number", default=0)


def test_it_is_set_back_also_by_an_error() -> None:
    def fails() -> None:
        with set_for(number, 1):
            assert number.get() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert number.get() == 0


def test_what_is_closed_in_another_context_closes_quietly() -> None:
    def abandoned() -> Iterator[int]:
        with set_for(number, 2):
            yield number.get()

    work = abandoned()
    assert contextvars.copy_context().run(next, work) == 2
    work.close()  # type: ignore[attr-defined]
    assert number.get() == 0
