"""What the events of a run leave for a person to decide."""

from __future__ import annotations

from collections.abc import Iterable

from treadle.core.events import ApprovalAnswered, ApprovalRequested, Event, PlanReady


def subject(plan_hash: str, input_hash: str | None) -> str:
    """What an answer is about: a plan, and the inputs of a step where they were shown."""
    return plan_hash if input_hash is None else f"{plan_hash}/{input_hash}"


def awaiting_approval(events: Iterable[Event]) -> dict[str, str]:
    """The steps that wait for a person's approval, in their order, each with its `subject`."""
    waiting: dict[str, str] = {}
    for event in events:
        match event:
            case PlanReady():
                waiting.clear()
            case ApprovalRequested():
                hashes = event.input_hashes or {}
                for step_id in event.step_ids:
                    waiting[step_id] = subject(event.plan_hash, hashes.get(step_id))
            case ApprovalAnswered():
                for step_id in event.step_ids:
                    waiting.pop(step_id, None)
    return waiting
