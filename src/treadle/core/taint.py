"""Taint: which untrusted sources a value has come from.

A label names a source, such as `fetch_url (step page)`. Labels only ever add up: what was made from
labelled values carries their labels. They are kept by code, in events; no model has a say.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from treadle.core.chat import Message

Labels: TypeAlias = frozenset[str]

CLEAN: Labels = frozenset()

MOST_LABELS = 16
"""Labels that one value carries; the others are summed up in one."""

_MORE = "and others"


def label_of(tool: str, step_id: str | None = None, run_id: str | None = None) -> str:
    """The label of what `tool` gives, for persons to read.

    run_id: of a run within another one, where that is where it was called.
    """
    where = " ".join(
        part for part in (step_id and f"step {step_id}", run_id and f"of {run_id}") if part
    )
    return f"{tool} ({where})" if where else tool


def listed(labels: Iterable[str]) -> tuple[str, ...]:
    """`labels` as an event carries them: sorted, and not too many."""
    ordered = sorted(set(labels) - {_MORE})
    more = len(ordered) < len(set(labels)) or len(ordered) > MOST_LABELS
    return (*ordered[:MOST_LABELS], _MORE) if more else tuple(ordered)


def in_words(labels: Iterable[str]) -> str:
    """Why a call asks that `labels` have reached."""
    return f"holds what came from {', '.join(listed(labels))}, which is not trusted"


def labels_of(messages: Iterable[Message]) -> Labels:
    """The labels of a conversation."""
    return frozenset(label for each in messages for label in each.taint)


class CallTaint:
    """The labels of one call under way.

    inputs: those of its arguments, and of whatever asked for it.
    gathered: those of what it has read by itself so far: an agent, a run, a tool within it.
    of: the tool that is called; None for no tool in particular.
    """

    __slots__ = ("gathered", "inputs", "of")

    def __init__(self, inputs: Labels = CLEAN, of: object | None = None) -> None:
        self.inputs = inputs
        self.of = of
        self.gathered: Labels = CLEAN

    def add(self, labels: Iterable[str]) -> None:
        """The call has read something with `labels`; what it gives will carry them."""
        self.gathered = self.gathered.union(labels)

    @property
    def labels(self) -> Labels:
        """What everything carries that the call makes from now on."""
        return self.inputs | self.gathered


current_taint: ContextVar[CallTaint | None] = ContextVar("treadle_taint", default=None)
"""That of the call that the current task or thread works for; None outside of any."""


def labels_here() -> Labels:
    """What everything carries that is made here: the labels of the call under way."""
    around = current_taint.get()
    return CLEAN if around is None else around.labels


def has_read(labels: Iterable[str]) -> None:
    """Whatever was read here had `labels`: what the call under way gives will carry them."""
    around = current_taint.get()
    if around is not None:
        around.add(labels)
