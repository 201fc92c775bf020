"""Errors that are ours, with a code, and what LangGraph's stores raise at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langgraph.store.base import InvalidNamespaceError

from treadle.core.errors import InputError


class NamespaceError(InputError, InvalidNamespaceError):
    """A namespace that no store of LangGraph's takes (`bad_namespace`)."""


class OperationError(InputError, ValueError):
    """An operation of a store that cannot be carried out as asked; see `TreadleStore`."""


@contextmanager
def coded() -> Iterator[None]:
    """Within the block, what LangGraph says of a namespace gets a code."""
    try:
        yield
    except NamespaceError:
        raise
    except InvalidNamespaceError as error:
        raise NamespaceError("bad_namespace", str(error)[:400]) from error
