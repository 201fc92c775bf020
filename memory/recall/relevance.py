"""Whether what was found has to do with the query at all.

The limits were set by hand, on questions about conversations asked of the right conversation and of
another one. They are careful: of the former hardly any get "nothing relevant" (by words alone 1 of
231 on the first two conversations of LoCoMo), at the price that many of the latter get something.
A vector tells the two apart better than words, of which small talk shares many.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_COVERED = 0.2
"""The share of a query's words, by weight, that the best hit must have."""

CLEARLY_COVERED = 0.5
"""The share that is enough, however far its vector is."""

LEAST_COSINE = 0.42
"""How near the best vector must be, where the model is one that this was measured with."""

MEASURED = "all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The best of the first hits: its share of the query's words, and its cosine.

    model: what made the vectors; None without an embedder.
    """

    covered: float
    cosine: float
    model: str | None


def relevant(evidence: Evidence) -> bool:
    """Whether words or vectors speak for the answer."""
    if evidence.model is None:
        return evidence.covered >= LEAST_COVERED
    if MEASURED in evidence.model:
        return evidence.covered >= CLEARLY_COVERED or evidence.cosine >= LEAST_COSINE
    # Cosines of other models lie elsewhere: they can only add to what words say.
    return evidence.covered >= LEAST_COVERED or evidence.cosine >= LEAST_COSINE


_NEAR = 0.5
"""The share of the best cosine from which on a vector speaks for an item."""


def clear(evidence: Evidence) -> bool:
    """Whether the best hits say so much of what was asked that those without a word of it can go.

    Where they do not, what was meant may be told in other words, by anybody.
    """
    return evidence.covered >= CLEARLY_COVERED


def speaks_for(related: bool, cosine: float, nearest: float) -> bool:
    """Whether anything of an item itself, or of what surrounds it, has to do with the query.

    To be new, or to be linked to what was found, is no reason by itself to come back.

    related: by words, by its date, or said by whom the query names. cosine: of its vector.
    nearest: the best of all cosines.
    """
    return related or (cosine > 0 and cosine >= _NEAR * nearest)
