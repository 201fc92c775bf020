"""What would be traces of the erased, kept until it is known that there are none."""

from __future__ import annotations

from dataclasses import dataclass, field

from treadle.memory.erasure.comparing import in_thread_if_long
from treadle.memory.erasure.doomed import Doomed
from treadle.memory.erasure.sought import Sought


@dataclass(slots=True)
class Traces:
    """Words of what is erased.

    names, texts: what is looked for elsewhere.
    called: of whom an erased namespace knew, to be looked for as well; other namespaces may have
        these names.
    pieces: the other words of the rows, of which nothing may be left in the files.
    """

    names: set[str] = field(default_factory=set)
    texts: dict[str, None] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    pieces: set[str] = field(default_factory=set)

    def add(self, doomed: Doomed) -> None:
        """What is about to be erased."""
        self.names |= doomed.names
        self.called |= doomed.called
        self.texts.update(dict.fromkeys(doomed.texts))
        self.pieces |= doomed.pieces

    def join(self, other: Traces) -> None:
        """What another call has erased."""
        self.names |= other.names
        self.called |= other.called
        self.texts.update(other.texts)
        self.pieces |= other.pieces

    async def sought(self, *, called: bool = False) -> Sought:
        """What to look for. Raises InputError (`bad_subject`).

        called: with the names of whom an erased namespace knew.
        """
        names = self.names | self.called if called else self.names
        return await in_thread_if_long(self.texts, lambda: Sought(names, self.texts))
