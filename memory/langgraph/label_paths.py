"""Namespaces of a store: labels, with dots between them where they are kept."""

from __future__ import annotations

from collections.abc import Iterable

from langgraph.store.base import ListNamespacesOp, MatchCondition

from treadle.core.errors import InputError
from treadle.memory.langgraph.errors import NamespaceError, OperationError
from treadle.memory.langgraph.keys import key_text

Labels = tuple[str, ...]


def namespace_text(labels: Labels) -> str:
    """`labels`, which LangGraph has checked, as one text. Raises NamespaceError."""
    try:
        return ".".join(key_text(each, "a label of a namespace") for each in labels)
    except InputError as error:
        raise NamespaceError("bad_namespace", error.message) from error


def labels_of(text: str) -> Labels:
    """What `namespace_text` has made a text of."""
    return tuple(text.split("."))


def literal_prefix(conditions: Iterable[MatchCondition] | None) -> Labels:
    """Labels that all matching namespaces begin with."""
    longest: Labels = ()
    for each in conditions or ():
        if each.match_type == "prefix":
            path = tuple(each.path)
            fixed = path[: path.index("*")] if "*" in path else path
            longest = max(longest, fixed, key=len)
    return longest


def listed(operation: ListNamespacesOp, namespaces: Iterable[Labels]) -> list[Labels]:
    """What `list_namespaces` answers where there are these."""
    conditions = operation.match_conditions or ()
    found = {
        each[: operation.max_depth] if operation.max_depth is not None else each
        for each in namespaces
        if all(_matches(condition, each) for condition in conditions)
    }
    return sorted(found)[operation.offset : operation.offset + operation.limit]


def check_conditions(operation: ListNamespacesOp) -> None:
    """Raises OperationError (`bad_filter`) for a way to match that there is not."""
    for each in operation.match_conditions or ():
        if each.match_type not in ("prefix", "suffix"):
            raise OperationError("bad_filter", f"Unsupported match type: {each.match_type!r:.40}")
    depth = operation.max_depth
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise OperationError("bad_limit", f"max_depth is a number from 0 on, not {depth!r:.40}")


def _matches(condition: MatchCondition, labels: Labels) -> bool:
    path = tuple(condition.path)
    if len(labels) < len(path):
        return False
    if condition.match_type == "suffix":
        path, labels = path[::-1], labels[::-1]
    # The rest of the labels is anything.
    return all(wanted in ("*", label) for wanted, label in zip(path, labels, strict=False))
