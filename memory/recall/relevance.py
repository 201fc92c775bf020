"""Whether what was found has to do with the query at all."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_COVERED = 0.2
"""The share of a query's words, by weight, that the best hit must have."""

LEAST_COSINE = 0.35
"""Or how near its vector must be."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The best of the first hits: its share of the query's words, and its cosine."""

    covered: float
    cosine: float | None


def relevant(evidence: Evidence) -> bool:
    """Whether either speaks for the answer."""
    if evidence.covered >= LEAST_COVERED:
        return True
    return evidence.cosine is not None and evidence.cosine >= LEAST_COSINE
