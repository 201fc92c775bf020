"""What is erased while a run goes on, and would be written into its record again by its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from treadle.core.database.url import DatabaseUrl


class Wanted(Protocol):
    """What is sought so that it can be erased; `treadle.memory.erasure.sought.Sought` is it."""

    def found_in(self, text: str) -> bool:
        """Whether it stands in `text`."""
        ...

    def found_in_any(self, texts: Iterable[str]) -> bool:
        """Whether it stands in one of `texts`."""
        ...


class Place(Protocol):
    """Where it may stand. url: of its database, to be cleaned afterwards; None where it is none."""

    @property
    def url(self) -> DatabaseUrl | None: ...

    async def purge(self, sought: Wanted) -> Mapping[str, int]:
        """Erase what has it; how much, by kind."""
        ...


class Erasing(Protocol):
    """Something that was erased while a run went on."""

    async def again(self, places: Sequence[Place] = ()) -> None:
        """Look through everything again, now that the run has written its last, and `places`.

        Raises RunError: `erasure_pending`, and as the database does.
        """
        ...
