"""The memory of the command line for as long as a command runs; opened when it is first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from treadle.cli.options import CommonOptions, database_url, settings

if TYPE_CHECKING:
    from treadle.core.chat import ChatModel
    from treadle.core.database import Database
    from treadle.memory.memory import Memory
    from treadle.tools.tool import Tool

LAST_WORK_SECONDS = 5.0
"""What a command waits at its end for what follows from what was remembered; the next goes on."""


class LentMemory:
    """Memory with the database of the runs, and everything that `forget` has to look through."""

    def __init__(self, options: CommonOptions) -> None:
        self._options = options
        self._database: Database | None = None
        self._model: ChatModel | None = None
        self._memory: Memory | None = None

    def get(self) -> Memory:
        """The memory; made now where it is not there yet. Raises ConfigError."""
        if self._memory is None:
            from treadle.cli.memory_options import purges_of
            from treadle.core.database import Database, DatabaseUrl
            from treadle.memory.memory import Memory
            from treadle.memory.namespace import Namespace

            configured, namespace = settings(), Namespace()
            self._database = Database(DatabaseUrl.parse(database_url(self._options)))
            self._model = proposing_model()
            self._memory = Memory(
                self._database,
                namespace=namespace,
                embedder=configured.get("embedder"),
                model=self._model,
                purges=purges_of(self._database, namespace),
            )
        return self._memory

    async def aclose(self) -> None:
        """Work out what follows from what was remembered, as far as time allows, and close."""
        if self._memory is None:
            return
        from treadle.cli.memory_add_command import work
        from treadle.cli.output import print_note
        from treadle.core.errors import RunError

        try:
            await work(self._memory, LAST_WORK_SECONDS)
        except RunError as error:
            # What was remembered is durable; what follows from it stays in the outbox.
            print_note(f"memory: {error}")
        finally:
            await self._memory.aclose()
            if self._database is not None:
                await self._database.close()
            if self._model is not None:
                await self._model.aclose()


def proposing_model() -> ChatModel | None:
    """The model that proposes facts, where one is configured for it; it costs calls of its own.

    Raises ConfigError.
    """
    named = settings().get("memory_model")
    if named is None:
        return None
    from treadle.serving.resolve import choose_model

    return choose_model(named, settings()).model


@asynccontextmanager
async def lent_memory(options: CommonOptions) -> AsyncIterator[LentMemory]:
    """The memory, until the context ends."""
    memory = LentMemory(options)
    try:
        yield memory
    finally:
        await memory.aclose()


def tools_of(memory: LentMemory, taken: Collection[str]) -> list[Tool]:
    """`remember`, `recall`, `recall_about` and `forget`, but for names that others have."""
    from treadle.agents.memory_tools import memory_tools

    return [each for each in memory_tools(memory.get) if each.name not in taken]
