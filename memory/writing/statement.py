"""A statement that somebody wants to be a fact, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from treadle.core.errors import InputError
from treadle.core.taint import CLEAN, Labels
from treadle.memory.fact import Cardinality
from treadle.memory.kinds import Origin
from treadle.memory.times import seconds
from treadle.memory.writing.accepted import (
    MOST_OBJECT,
    accepted_name,
    accepted_origin,
    check_labels,
)
from treadle.memory.writing.normal_form import object_key
from treadle.memory.writing.predicates import cardinality_of, predicate_key


@dataclass(frozen=True, slots=True)
class Statement:
    """What is told; the fields are those of `Fact`.

    valid_from: None for now; where only `valid_to` is given, for an unknown time before that.
    valid_to: None while it holds.
    cardinality: None for what is usual of the predicate.
    sources: ids of episodes.
    """

    subject: str
    predicate: str
    object: str
    valid_from: datetime | float | str | None = None
    valid_to: datetime | float | str | None = None
    cardinality: Cardinality | None = None
    confidence: float = 1.0
    origin: Origin = Origin.USER
    sources: Sequence[str] = ()
    taint: Labels = CLEAN


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """A statement whose parts can be stored. start: None for now."""

    statement: Statement
    subject: str
    predicate: str
    object: str
    object_key: str
    cardinality: Cardinality
    start: float | None
    end: float

    @classmethod
    def of(cls, statement: Statement, labels: Labels = CLEAN) -> CheckedStatement:
        """`statement` with `labels` beside its own.

        Raises InputError: `empty_text`, `bad_text`, `bad_date`, `bad_interval`, `bad_fact`.
        """
        subject = _named(statement.subject, "the subject", 500)
        obj = _named(statement.object, "the object", MOST_OBJECT)
        predicate = predicate_key(statement.predicate)
        start, end = seconds(statement.valid_from), seconds(statement.valid_to)
        if start is not None and end is not None and start >= end:
            raise InputError("bad_interval", "a fact ends after it begins: valid_to is too early")
        if not 0 <= statement.confidence <= 1:
            raise InputError(
                "bad_fact", f"a confidence of {statement.confidence}: it is between 0 and 1"
            )
        if statement.cardinality not in (None, "one", "many"):
            raise InputError(
                "bad_fact", f"a cardinality of {statement.cardinality!r}: it is one or many"
            )
        check_labels(statement.taint)
        for source in statement.sources:
            accepted_name(source, "the id of a source")
        labels = labels.union(statement.taint)
        origin = accepted_origin(statement.origin)
        return cls(
            statement=replace(statement, origin=origin, taint=labels),
            subject=subject,
            predicate=predicate,
            object=obj,
            object_key=object_key(predicate, obj),
            cardinality=statement.cardinality or cardinality_of(predicate),
            start=-math.inf if start is None and end is not None else start,
            end=math.inf if end is None else end,
        )


def _named(text: str, what: str, most: int) -> str:
    plain = " ".join(accepted_name(text, what, most).split())
    if not plain:
        raise InputError("empty_text", f"{what} is empty")
    return plain
