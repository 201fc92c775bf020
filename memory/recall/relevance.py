"""Whether what was found has to do with the query at all.

The limits stand where, of questions about conversations, those asked of the right conversation and
those asked of another one between speakers of the same names come apart. With the local embedder
1% of the former and 70% of the latter get "nothing relevant"; by words alone 2% and 20%, since
small talk shares many words.
"""

from __future__ import annotations

from collections.abc import Mapping
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


_SIGNALS = frozenset(("lexical", "neighbours", "temporal"))
_NEAR = 0.5
"""The share of the best cosine from which on a vector speaks for an item."""


def speaks_for(ranks: Mapping[str, int], cosine: float, nearest: float) -> bool:
    """Whether anything of an item itself, or of those around it, has to do with the query.

    To be new, or to be linked to what was found, is no reason by itself to come back.

    ranks: its places by signal. cosine: of its vector. nearest: the best of all cosines.
    """
    return not _SIGNALS.isdisjoint(ranks) or cosine > 0 and cosine >= _NEAR * nearest
