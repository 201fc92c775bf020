"""A concept: what was learned that holds beyond the run it was learned in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from treadle.core.json_value import JsonValue
from treadle.core.taint import CLEAN, Labels
from treadle.memory.learning.outcomes import UNTRIED, Outcomes

ConceptKind = Literal["concept", "warning"]
"""What worked, or what did not."""


@dataclass(frozen=True, slots=True)
class Concept:
    """What worked, or what to beware of, with the cues by which it is found.

    id: of this version. name: the same for all versions.
    cues: short texts; it bears on what has all words of one of them.
    parameters: what has to be filled in when it is used, by name.
    version: from 1. previous: the id of the version before.
    retired_at: when a later version took its place, or it turned out bad.
    source: the run that it comes from.
    """

    id: str
    kind: ConceptKind
    name: str
    body: str
    cues: tuple[str, ...]
    recorded_at: datetime
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    version: int = 1
    previous: str | None = None
    outcomes: Outcomes = UNTRIED
    retired_at: datetime | None = None
    source: str = ""
    taint: Labels = CLEAN


@dataclass(frozen=True, slots=True)
class FoundConcept:
    """A concept that bears on a text.

    match: how well its cues fit, above 0 and at most 1. score: that, times how well it has done.
    """

    concept: Concept
    match: float
    score: float
