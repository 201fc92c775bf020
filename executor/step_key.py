"""What identifies a step's work across processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from treadle.core.json_value import JsonValue, canonical_json


@dataclass(frozen=True, slots=True)
class StepKey:
    """A run, a step of it, the plan version that introduced the step, and the item of a fan-out.

    Never the order in which calls were made: after a crash that order may differ, and a result
    would be handed to the wrong step. As a text it is the idempotency key of the call, the same
    for every attempt.
    """

    run_id: str
    step_id: str
    version: int
    index: int | None = None

    def __str__(self) -> str:
        key = f"{self.run_id}/{self.step_id}/{self.version}"
        return key if self.index is None else f"{key}/{self.index}"


PATTERN_DIGITS = 16
"""Of the hash of a call's arguments: what says that calls are alike."""


def input_hash(arguments: JsonValue) -> str:
    """32 hexadecimal digits that are equal for equal arguments."""
    return hashlib.blake2b(canonical_json(arguments), digest_size=16).hexdigest()


def call_pattern(arguments: JsonValue) -> str:
    """What is alike in calls of a tool that are alike, for those who learn how long they take."""
    return input_hash(arguments)[:PATTERN_DIGITS]
