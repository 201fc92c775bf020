"""Recall: from a question to the episodes and facts that bear on it."""

from __future__ import annotations

from treadle.memory.recall.recaller import Recaller

__all__ = ["Recaller"]
