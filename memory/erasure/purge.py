"""What else holds texts of people: journals, checkpoints, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from treadle.core.database import DatabaseUrl
from treadle.memory.erasure.sought import Sought


class Purge(Protocol):
    """A place other than memory in which what is to be forgotten may stand, too.

    It knows no namespaces: who serves several tenants gives an Eraser the places of one tenant.

    url: its database, whose free space is cleaned afterwards; None where it is none.
    """

    @property
    def url(self) -> DatabaseUrl | None: ...

    async def purge(self, sought: Sought) -> Mapping[str, int]:
        """Erase what holds something that is sought; how much, by kind.

        It is called twice: where nothing was written meanwhile the second call finds nothing.
        """
        ...
