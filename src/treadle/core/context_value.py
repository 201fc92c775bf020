"""Setting a context variable for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")


@contextmanager
def set_for(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """`variable` is `value` in here, and what it was before after it."""
    token = variable.set(value)
    try:
        yield
    finally:
        # A call that was abandoned is closed by whoever collects it, in a context of its own,
        # where there is nothing to be set back.
        with suppress(ValueError):
            variable.reset(token)
