"""Asking a person what should come out, where the code and the tests do not agree on it.

ConAIR (interactive, test-driven clarification of intent): a person decides on one concrete input
with the outputs in view far more easily than on a specification.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from treadle.agents.coding.case import Call, Case, Seen
from treadle.core.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class Answer:
    """What should come out: a value, or the exception named `error`."""

    value: JsonValue = None
    error: str | None = None

    @classmethod
    def of(cls, seen: Seen) -> Answer:
        """That what was seen is right."""
        return cls(error=seen.error) if seen.error is not None else cls(seen.value)


@dataclass(frozen=True, slots=True)
class Option:
    """An outcome, and how many of the candidates have it; 0 where only a test expects it."""

    answer: Answer
    shown: str
    candidates: int


@dataclass(frozen=True, slots=True)
class Question:
    """An input on which candidates differ, or on which they differ from a test that was made up."""

    task: str
    call: Call
    options: tuple[Option, ...]

    def as_json(self) -> dict[str, JsonValue]:
        """The question, for a record."""
        return {
            "call": str(self.call),
            "options": [
                {"outcome": each.shown, "candidates": each.candidates} for each in self.options
            ],
        }


Clarify: TypeAlias = "Callable[[Question], Awaitable[Answer | None]]"
"""Asks a person; None where they do not know, or nobody answers."""


def case_of(question: Question, answer: Answer) -> Case:
    """The test that an answer makes."""
    return Case(question.call, answer.value, answer.error, source="person")
