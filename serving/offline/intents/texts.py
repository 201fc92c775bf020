"""Measure quoted texts: "how many words are in 'the quick brown fox'"."""

from __future__ import annotations

from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, escaped, listed, reference, shown
from treadle.serving.offline.vocabulary import LENGTHS

_FIELDS = ("characters", "words", "lines", "sentences")
_ASKED = frozenset({"statistic", "stat", "analyse", "analyze", "count", "measure"})


def measure_texts(clause: Clause) -> Draft | None:
    """Measure every quoted text of the request."""
    targets = clause.targets
    if not targets.texts or targets.files or targets.sets or targets.urls:
        return None
    fields = [field for field in clause.measures if field in _FIELDS]
    if not fields and clause.has(LENGTHS):
        fields = ["characters"]
    if not fields and clause.has(_ASKED):
        fields = list(_FIELDS)
    if not fields:
        return None
    draft = Draft()
    for text in targets.texts:
        step = draft.step("text", "text_statistics", {"text": escaped(text)})
        values = listed([f"{reference(step, f'.{field}')} {field}" for field in fields])
        draft.say(f'"{shown(text, 60)}" has {values}.')
    return draft
