"""A hint as a flat object of texts and numbers."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TypeAlias

from treadle.core.program import ProgramHint

PREFIX = "treadle_"
"""What the names of the hint's fields start with among those of others."""

Scalar: TypeAlias = str | int | float


def flat(hint: ProgramHint) -> dict[str, Scalar]:
    """The fields of `hint` that are known; `last_call` is 0 or 1. No number is infinite."""
    known: dict[str, Scalar] = {}
    for field in fields(hint):
        value = getattr(hint, field.name)
        if isinstance(value, bool):
            known[field.name] = int(value)
        elif isinstance(value, str) or (value is not None and math.isfinite(value)):
            known[field.name] = value
    return known
