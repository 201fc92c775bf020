"""What the events of a run leave open."""

from __future__ import annotations

from collections.abc import Iterable

from treadle.core.events import ApprovalAnswered, ApprovalRequested, Event, PlanReady


def awaiting_approval(events: Iterable[Event]) -> set[str]:
    """The steps of the latest version of the plan that wait for a person's approval."""
    waiting: set[str] = set()
    for event in events:
        match event:
            case PlanReady():
                waiting = set()
            case ApprovalRequested():
                waiting.update(event.step_ids)
            case ApprovalAnswered():
                waiting.difference_update(event.step_ids)
    return waiting
