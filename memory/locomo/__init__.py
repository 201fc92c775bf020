"""LoCoMo (arXiv 2402.17753): how much of what questions need does memory find?"""

from __future__ import annotations

from treadle.memory.locomo.bench import run_locomo
from treadle.memory.locomo.dataset import Conversation, Question, Turn, read_locomo
from treadle.memory.locomo.score import Ranking, Scores, scores

__all__ = [
    "Conversation",
    "Question",
    "Ranking",
    "Scores",
    "Turn",
    "read_locomo",
    "run_locomo",
    "scores",
]
