"""Which items a filter lets through: as LangGraph's store in memory has it, on any database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from treadle.memory.langgraph.errors import OperationError


def check_filter(wanted: Mapping[str, Any] | None) -> None:
    """Raises OperationError (`bad_filter`) for an operator that there is not."""
    if wanted is None:
        return
    if not isinstance(wanted, Mapping):
        raise OperationError("bad_filter", "a filter is a mapping from fields to values")
    for value in wanted.values():
        _check(value)


def passes(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether an item's value has what is wanted of each field."""
    return not wanted or all(_matches(value.get(name), each) for name, each in wanted.items())


def _check(wanted: Any) -> None:
    if isinstance(wanted, Mapping):
        operators = _is_operators(wanted)
        for name, value in wanted.items():
            if operators and name not in _OPERATORS:
                raise OperationError(
                    "bad_filter",
                    f"Unsupported operator: {name!r:.40}; there are {', '.join(_OPERATORS)}",
                )
            if not operators:
                _check(value)
    elif isinstance(wanted, list | tuple):
        for value in wanted:
            _check(value)


def _is_operators(wanted: Mapping[Any, Any]) -> bool:
    return any(isinstance(name, str) and name.startswith("$") for name in wanted)


def _matches(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if _is_operators(wanted):
            return all(_OPERATORS[name](found, value) for name, value in wanted.items())
        return isinstance(found, Mapping) and all(
            _matches(found.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(wanted)
            and all(_matches(one, other) for one, other in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)


def _ordered(
    numbers: Callable[[float, float], bool], texts: Callable[[str, str], bool]
) -> Callable[[Any, Any], bool]:
    def compare(found: Any, wanted: Any) -> bool:
        try:
            return numbers(float(found), float(wanted))
        except OverflowError:
            return numbers(found, wanted)
        except (TypeError, ValueError):
            # What is no number has no order but that of texts, such as dates in ISO 8601.
            both = isinstance(found, str) and isinstance(wanted, str)
            return both and texts(found, wanted)

    return compare


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda found, wanted: bool(found == wanted),
    "$ne": lambda found, wanted: bool(found != wanted),
    "$gt": _ordered(lambda one, other: one > other, lambda one, other: one > other),
    "$gte": _ordered(lambda one, other: one >= other, lambda one, other: one >= other),
    "$lt": _ordered(lambda one, other: one < other, lambda one, other: one < other),
    "$lte": _ordered(lambda one, other: one <= other, lambda one, other: one <= other),
}
