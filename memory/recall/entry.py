"""An item as scoring sees it, and what stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from treadle.memory.kinds import Kind

_LOOKED_AT = 2_000
"""Characters of a text that its signs are looked for in."""


@dataclass(slots=True)
class Entry:
    """An episode or a fact.

    number: of its row. previous: the number of the episode before it in its thread.
    by_person: whether a person said it, and no assistant, tool or document.
    subject: the number of whom a fact is about.
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
    by_person: bool = False
    subject: int = 0

    # What its text shows besides its terms, in its start where it is long: looked for when asked
    # for, since most questions need little of it and most entries none.

    @property
    def asks(self) -> bool:
        """Whether it ends with a question."""
        return self._said().endswith("?")

    @property
    def only_asks(self) -> bool:
        """Whether it is a question and nothing else."""
        said = self._said()
        if len(said) > _LONGEST_QUESTION or _STATEMENT.search(said):
            return False
        return said.endswith("?") or _ASKING.match(said) is not None

    @property
    def replies(self) -> bool:
        """Whether it says something of what was spoken of before it."""
        return not self.asks and _REPLY.match(self._said()) is not None

    @property
    def has_question(self) -> bool:
        """Whether there is one anywhere."""
        return "?" in self._said()

    @property
    def first_person(self) -> bool:
        """Whether somebody speaks of themselves."""
        return _FIRST_PERSON.search(self.text, 0, _LOOKED_AT) is not None

    @property
    def has_time(self) -> bool:
        """Whether it says when."""
        return _TIME.search(self.text, 0, _LOOKED_AT) is not None

    @property
    def has_number(self) -> bool:
        """Whether it counts something."""
        return _NUMBER.search(self.text, 0, _LOOKED_AT) is not None

    @property
    def has_name(self) -> bool:
        """Whether it names or cites something."""
        return _NAME.search(self.text, 0, _LOOKED_AT) is not None

    def _said(self) -> str:
        """The text without what a shared picture shows, in brackets at the end."""
        text = self.text[:_LOOKED_AT]
        return text.partition(" [")[0].rstrip() if text.endswith("]") else text.rstrip()


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

    def in_dialogue(self, entry: Entry) -> bool:
        """Whether somebody else spoke right before or after: then a turn may be an answer."""
        beside = (self.before(entry), self.after(entry))
        return any(each is not None and each.actor != entry.actor for each in beside)

    def after(self, entry: Entry | None) -> Entry | None:
        """What came after `entry` in its thread."""
        return None if entry is None else self._next.get(entry.number)


_LONGEST_QUESTION = 300
_STATEMENT = re.compile(r"[.!](?:\s|$)|\n")
# What is typed without a question mark: words of a question at the start, of a main clause at that.
_ASKING = re.compile(
    r"(?:what|who|whose|which|where|when|why|how) (?:is|are|was|were|do|does|did|can|many|much)\b",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"(?:it|he|she|they|that|this|there)(?:'s|'re)?\b|(?:the answer|because)\b", re.IGNORECASE
)
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
