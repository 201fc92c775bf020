"""The options that the commands about memory share, and the Memory that they open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from treadle.cli.options import CommonOptions, database_url, settings, state_folder
from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    from treadle.core.chat import ChatModel
    from treadle.core.database import Database, DatabaseUrl
    from treadle.memory.erasure.purge import Purge
    from treadle.memory.memory import Memory
    from treadle.memory.namespace import Namespace

NamespacePath = Annotated[
    str,
    typer.Option(
        "--namespace", metavar="PATH", help="Which part of the memory, such as users/alice."
    ),
]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose memory it is.")]
MemoryDatabase = Annotated[
    str | None,
    typer.Option(
        "--database",
        "--db",
        metavar="URL",
        help="Where memory is kept: sqlite:///FILE or postgresql://...",
        show_default="TREADLE_DATABASE_URL, or a file in the user's state folder",
    ),
]
EmbedderName = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        metavar="NAME",
        help="Vectors beside words: none, local, openai:MODEL, or a URL#MODEL.",
        show_default="TREADLE_EMBEDDER, or none",
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="What held in the world then; now by default."),
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", metavar="DATE", help="What memory knew then; now by default."),
]

DEFAULT_TENANT = "local"
"""As in `treadle.memory.namespace`, which the help does not wait for."""


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """What the commands about memory are told."""

    namespace: str = ""
    tenant: str = DEFAULT_TENANT
    database: str | None = None
    embedder: str | None = None
    json: bool = False
    debug: bool = False

    @property
    def common(self) -> CommonOptions:
        """What every command has."""
        return CommonOptions(json=self.json, debug=self.debug, database=self.database)

    @property
    def space(self) -> Namespace:
        """The namespace that is meant. Raises InputError (`bad_namespace`)."""
        from treadle.memory.namespace import Namespace

        return Namespace.parse(self.namespace, self.tenant)


@asynccontextmanager
async def open_memory(
    options: MemoryOptions,
    *,
    existing: bool = False,
    purging: bool = False,
    model: ChatModel | None = None,
) -> AsyncIterator[Memory]:
    """The memory that `options` describe, with its database open.

    existing: whether a database that the user has named must be there: what only reads, or erases,
        makes no new one of a name with a slip in it.
    purging: whether `forget` looks through the runs, conversations and typed lines of this user,
        too.
    model: proposes facts; without one rules alone do.

    Raises ConfigError, InputError (`bad_namespace`, `database_not_found`), and RunError where the
    database fails.
    """
    from treadle.core.database import Database, DatabaseUrl
    from treadle.memory.memory import Memory

    namespace = options.space
    url = DatabaseUrl.parse(database_url(options.common))
    if existing and (options.database or settings().get("database_url")):
        await run_in_thread(lambda: _require(url))
    database = Database(url)
    try:
        memory = Memory(
            database,
            namespace=namespace,
            embedder=options.embedder or settings().get("embedder"),
            model=model,
            purges=purges_of(database, namespace) if purging else (),
        )
        try:
            # What is wrong with the database is said before anything else.
            await database.open()
            yield memory
        finally:
            await memory.aclose()
    finally:
        await database.close()


def _require(url: DatabaseUrl) -> None:
    if url.path is not None and not url.path.exists():
        raise InputError(
            "database_not_found",
            f"there is no database {url.path}; treadle memory add and import begin one",
        )


def purges_of(database: Database, namespace: Namespace) -> tuple[Purge, ...]:
    """What else holds texts of this user: runs with their outputs, conversations, typed lines,
    copies that are kept to undo calls.

    They belong to the user of this machine: where another tenant forgets they are left alone.
    """
    if namespace.tenant != DEFAULT_TENANT:
        return ()
    from treadle.cli.memory_purges import HistoryPurge, KeptPurge
    from treadle.executor.journal.erasure import JournalErasure
    from treadle.memory.erasure.checkpoints import CheckpointErasure

    folder = state_folder(settings())
    return (
        JournalErasure(database, folder / "artifacts"),
        CheckpointErasure(database, namespace.tenant),
        HistoryPurge(folder / "history"),
        KeptPurge(folder / "kept"),
    )
