"""A fact: who or what, in which respect, what; and when that held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from treadle.core.taint import CLEAN, Labels
from treadle.memory.kinds import Origin

Cardinality = Literal["one", "many"]
"""Whether a subject has one object at a time (where it lives) or several (what it likes)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A bi-temporal statement. It is never changed, only closed.

    valid_from, valid_to: when it held in the world, from and up to but not including; None is open.
    recorded_at, retired_at: when the store began and ceased to believe it.
    supersedes: the id of the fact that this one took the place of.
    confidence: between 0 and 1.
    sources: the ids of the episodes that say so.
    """

    id: str
    subject: str
    predicate: str
    object: str
    text: str
    valid_from: datetime | None
    valid_to: datetime | None
    recorded_at: datetime
    retired_at: datetime | None = None
    supersedes: str | None = None
    confidence: float = 1.0
    cardinality: Cardinality = "many"
    origin: Origin = Origin.RULE
    sources: tuple[str, ...] = ()
    taint: Labels = CLEAN
