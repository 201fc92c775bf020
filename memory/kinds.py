"""What memory keeps, and where things that are remembered come from."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Kind(IntEnum):
    """The kinds of items that can be found again; the numbers are in the database."""

    EPISODE = 0
    FACT = 1
    CONCEPT = 2
    PROCEDURE = 3
    ARTIFACT = 4


class Origin(StrEnum):
    """Who or what an item comes from."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DOCUMENT = "document"
    RUN = "run"
    RULE = "rule"
    """Extracted by code."""
    MODEL = "model"
    """Proposed by a language model, admitted by code."""
