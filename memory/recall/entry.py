"""An item as scoring sees it, and what stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from treadle.memory.kinds import Kind

_LOOKED_AT = 2_000
"""Characters of a text that its signs are looked for in."""


@dataclass(slots=True)
class Entry:
    """An episode or a fact.

    number: of its row. previous: the number of the episode before it in its thread.
    thread: the conversation; empty for none. time: when it happened, or began to hold, seconds.
    """

    number: int
    kind: Kind
    text: str
    terms: list[str]
    actor: str = ""
    thread: str = ""
    previous: int | None = None
    time: float = 0.0
    uses: int = 0
    signs: Signs | None = field(default=None, repr=False)

    def seen(self) -> Signs:
        """What its text shows, worked out once."""
        if self.signs is None:
            self.signs = Signs.of(self.text)
        return self.signs


@dataclass(frozen=True, slots=True)
class Signs:
    """What a text shows besides its terms."""

    asks: bool
    has_question: bool
    first_person: bool
    has_time: bool
    has_number: bool
    has_name: bool

    @classmethod
    def of(cls, text: str) -> Signs:
        """The signs of `text`, of its start where it is long."""
        text = text[:_LOOKED_AT]
        said = text.partition(" [")[0].rstrip() if text.endswith("]") else text.rstrip()
        return cls(
            asks=said.endswith("?"),
            has_question="?" in said,
            first_person=_FIRST_PERSON.search(text) is not None,
            has_time=_TIME.search(text) is not None,
            has_number=_NUMBER.search(text) is not None,
            has_name=_NAME.search(text) is not None,
        )


class Surroundings:
    """Which entries follow which, among those that were read."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {each.number: each for each in entries}
        self._next = {
            each.previous: each for each in self.entries.values() if each.previous is not None
        }

    def before(self, entry: Entry | None) -> Entry | None:
        """What came before `entry` in its thread."""
        if entry is None or entry.previous is None:
            return None
        return self.entries.get(entry.previous)

    def after(self, entry: Entry | None) -> Entry | None:
        """What came after `entry` in its thread."""
        return None if entry is None else self._next.get(entry.number)


_FIRST_PERSON = re.compile(r"\b(?:I|[Mm]y|[Ww]e|[Oo]ur|me)\b")
_TIME = re.compile(
    r"\b(?:yesterday|tonight|tomorrow|ago|the other day|(?:19|20)\d\d|"
    r"(?:last|next|this|past) (?:week|month|year|night|weekend|summer|winter|spring|fall|\w+day)|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|few (?:days|weeks|months|years)|january|february|"
    r"march|april|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|dozen|couple|several|once|twice|"
    r"first|second|third)\b",
    re.IGNORECASE,
)
# A capital within a sentence, or a title in quotes.
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+|\"")
