"""A piece of a task: a word, a number, a path, ..."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from treadle.serving.offline.vocabulary import singular


class Kind(StrEnum):
    """What a piece of a task is."""

    WORD = "word"
    NUMBER = "number"
    OPERATOR = "operator"
    QUOTED = "quoted"
    URL = "url"
    PATH = "path"
    GLOB = "glob"
    DATE = "date"
    COMMA = "comma"
    COLON = "colon"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a task; `text` is its value, `start` and `end` where it stands in the task."""

    kind: Kind
    text: str
    start: int
    end: int
    quoted: bool = False

    @property
    def word(self) -> str:
        """The word in lower case; empty for everything that is no word."""
        return self.text.lower() if self.kind is Kind.WORD else ""

    @property
    def stem(self) -> str:
        """The word in lower case and the singular; empty for everything that is no word."""
        return singular(self.word) if self.kind is Kind.WORD else ""
