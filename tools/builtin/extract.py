"""Extractive summaries: the sentences that say what the text keeps talking about.

Each sentence is scored by the average weight of its content words, a word's weight being its
frequency in the text (Luhn 1958, The Automatic Creation of Literature Abstracts, simplified),
with a small bonus for sentences that stand at the beginning.
"""

from __future__ import annotations

import re
from collections import Counter

MAX_SENTENCES = 20_000
"""Sentences that are scored; what follows in a longer text is not looked at."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
# Spaces at the start of a line, not \s: over blank lines that would take quadratic time.
_MARKUP = re.compile(
    r"^[^\S\n]*(?:#{1,6}[^\S\n].*|[|].*|[-=*_]{3,}[^\S\n]*|<[^>\n]{1,200}>[^\S\n]*)$", re.MULTILINE
)
_BULLET = re.compile(r"^[^\S\n]*(?:[-*+]|\d{1,3}[.)])[^\S\n]+", re.MULTILINE)
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\([^()\n]{0,500}\)")
_END = re.compile(r"(?<=[.!?])[\"')\]”’]*\s+|(?<=[。！？])[”’」』）]*\s*|\n\s*\n")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SMALL_WORDS = frozenset(
    # The commonest of English and of a few other languages; longer ones weigh little anyway.
    """the and for are was were has have had not but you your with this that from they them
    their its can will would could should may might into out over than then there here which who
    what when where why how all any each some such only also been being one two our she his her
    der die das und ist nicht ein eine les des est une pas que por los las del con para""".split()  # noqa: SIM905
)


def sentences_of(text: str) -> list[str]:
    """The sentences of `text`, markdown's headings, tables and code left out."""
    prose = _LINK.sub(r"\1", _BULLET.sub("\n\n", _MARKUP.sub("\n\n", _FENCE.sub("\n\n", text))))
    pieces = (" ".join(piece.split()) for piece in _END.split(prose))
    return [piece for piece in pieces if _WORD.search(piece)]


def key_sentences(text: str, count: int) -> list[str]:
    """The `count` most telling sentences of `text`, in their order."""
    sentences = sentences_of(text)[:MAX_SENTENCES]
    words = [
        [word for word in _WORD.findall(each.lower()) if word not in _SMALL_WORDS]
        for each in sentences
    ]
    weights = Counter(word for each in words for word in each)

    def score(index: int) -> float:
        own = words[index]
        if not own:
            return 0.0
        # Short sentences are often fragments, long ones collect weight by their length alone.
        average = sum(weights[word] for word in own) / (len(own) + 3)
        return average * (1.2 if index < 3 else 1.0)

    best = sorted(range(len(sentences)), key=score, reverse=True)[:count]
    return [sentences[index] for index in sorted(best)]
