"""An extractive summary: the sentences whose words are the most frequent, in their order."""

from __future__ import annotations

import re
from collections import Counter

from treadle.serving.offline.vocabulary import STOP_WORDS

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_WORD = re.compile(r"\w+")


def extract(text: str, sentences: int = 3) -> str:
    """The `sentences` most telling sentences of `text`, as they stand there."""
    found = [match[0].strip() for match in _SENTENCE.finditer(text)]
    candidates = [each for each in found if len(_WORD.findall(each)) > 3] or found
    frequency = Counter(
        word
        for each in candidates
        for word in _WORD.findall(each.lower())
        if word not in STOP_WORDS
    )

    def weight(at: int) -> float:
        words = [word for word in _WORD.findall(candidates[at].lower()) if word not in STOP_WORDS]
        return sum(frequency[word] for word in words) / (len(words) + 3)

    best = sorted(sorted(range(len(candidates)), key=weight, reverse=True)[:sentences])
    return " ".join(candidates[at] for at in best)
