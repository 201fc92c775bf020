"""What is to be erased in one namespace, before anything is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa

from treadle.memory import tables


@dataclass(slots=True)
class Doomed:
    """Rows that are to go, with what has to be known of them afterwards.

    numbers: per table, of the rows that go by themselves; what hangs off them follows.
    texts: what they say, to look for it elsewhere.
    pieces: the other words in them, such as where they are from: nobody's alone.
    subjects: normalised names of whom the erased is about: what is summed up of them is void.
    touched: entities that the erased refers to; they go where nothing else does.
    names: under which the subject is known here, as they are written.
    called: proper names of all whom the namespace knows, where it goes as a whole.
    notes: what is ambiguous.
    """

    numbers: dict[sa.Table, set[int]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    pieces: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def of(self, table: sa.Table) -> set[int]:
        """The numbers of the rows of `table` that go."""
        return self.numbers.setdefault(table, set())

    def add(self, table: sa.Table, number: int, *texts: str) -> None:
        """A row of `table` goes; `texts` are what it says."""
        if number not in self.of(table):
            self.of(table).add(number)
            self.texts.extend(text for text in texts if text)

    def __bool__(self) -> bool:
        return any(self.numbers.values())

    def __iter__(self) -> Iterator[tuple[sa.Table, set[int]]]:
        return iter([(table, found) for table, found in self.numbers.items() if found])


SELF_STANDING = (
    tables.episode,
    tables.fact,
    tables.concept,
    tables.procedure,
    tables.summary,
    tables.artifact,
    tables.instruction,
)
"""Tables whose rows say something by themselves."""
