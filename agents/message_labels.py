"""How a LangChain message carries the labels of untrusted sources; see `treadle.core.taint`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TAINT = "treadle_taint"
"""The key in a message's `additional_kwargs`."""


def labelled(labels: Iterable[str]) -> dict[str, Any]:
    """What makes a message carry `labels`: arguments for its constructor."""
    kept = [*labels]
    return {"additional_kwargs": {TAINT: kept}} if kept else {}


def labels_in(message: object) -> tuple[str, ...]:
    """The labels of a message, or of a mapping with the fields of one."""
    if isinstance(message, Mapping):
        extra = message.get("additional_kwargs")
    else:
        extra = getattr(message, "additional_kwargs", None)
    found = extra.get(TAINT) if isinstance(extra, Mapping) else None
    return tuple(str(each) for each in found) if isinstance(found, list | tuple) else ()
