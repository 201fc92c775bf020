"""How memory reads texts: terms to find them by, dates in words, what they take in a prompt."""

from __future__ import annotations

from treadle.memory.text.dates import Interval, intervals
from treadle.memory.text.terms import terms
from treadle.memory.text.token_estimate import token_estimate

__all__ = ["Interval", "intervals", "terms", "token_estimate"]
