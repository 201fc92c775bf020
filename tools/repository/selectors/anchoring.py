"""Finding a piece of text again after others have edited around it, or in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from treadle.tools.repository.selectors.selector import fingerprint_of_line
from treadle.tools.repository.source_text import SourceText

LIKENESS = 0.82
"""How alike two texts must be for one to be taken for the other, of 1."""

LEAD = 0.06
"""How much more alike than the next best."""

_MAX_ANCHOR = 1_000
_MAX_WORDS = 400
_MAX_COMPARED = 3_000_000
"""Characters that are compared roughly; how many windows are then compared in full."""
_MAX_IN_FULL = 40
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Found:
    """A range of the text, and how it was found: exactly, by words, or as the most alike."""

    start: int
    end: int
    how: str
    likeness: float = 1.0


def exact(source: SourceText, anchor: str) -> list[Found]:
    """Where the text stands as it is; whatever line endings the file has."""
    # Every newline of the anchor stands for any line ending.
    pattern = r"(?:\r\n|\r|\n)".join(re.escape(part) for part in re.split(r"\r\n|\r|\n", anchor))
    return [Found(hit.start(), hit.end(), "exact") for hit in re.finditer(pattern, source.text)]


def by_words(source: SourceText, anchor: str) -> list[Found]:
    """Where the text stands but for its white space: after a formatter went over it."""
    words = anchor.split()
    if not 0 < len(words) <= _MAX_WORDS:
        return []
    pattern = r"\s+".join(re.escape(word) for word in words)
    return [Found(hit.start(), hit.end(), "spacing") for hit in re.finditer(pattern, source.text)]


def most_alike(source: SourceText, anchor: str) -> list[Found]:
    """The lines that are most like those of the text, best first; bounded work."""
    wanted = anchor.strip()
    if len(wanted) > _MAX_ANCHOR:
        return []  # a part of it found again would be a range that nobody meant
    height = len(re.split(r"\r\n|\r|\n", wanted))
    target = _SPACE.sub(" ", wanted)
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(target)
    rough: list[tuple[float, int, str]] = []
    compared = 0
    for first in range(len(source.lines) - height + 1):
        lines = source.lines[first : first + height]
        if not lines[0].strip() or sum(map(len, lines)) > 4 * _MAX_ANCHOR:
            continue
        window = _SPACE.sub(" ", "\n".join(lines)).strip()
        if not len(target) / 2 <= len(window) <= max(len(target) * 2, 20):
            continue
        compared += len(window) + len(target)
        if compared > _MAX_COMPARED:
            break
        matcher.set_seq1(window)
        # Upper bounds, cheap; only what comes out best is compared in full.
        if matcher.real_quick_ratio() >= 0.5 and (likeness := matcher.quick_ratio()) >= 0.6:
            rough.append((-likeness, first, window))
    scored: list[Found] = []
    for _, first, window in sorted(rough)[:_MAX_IN_FULL]:
        matcher.set_seq1(window)
        last = source.lines[first + height - 1]
        indent = len(source.lines[first]) - len(source.lines[first].lstrip())
        end = source.starts[first + height - 1] + len(last.rstrip())
        scored.append(Found(source.starts[first] + indent, end, "alike", matcher.ratio()))
    return sorted(scored, key=lambda each: (-each.likeness, each.start))[:10]


def lines_with(source: SourceText, fingerprint: str) -> list[int]:
    """The numbers of the lines with this fingerprint."""
    return [
        number
        for number, line in enumerate(source.lines, 1)
        if line.strip() and fingerprint_of_line(line) == fingerprint
    ]
