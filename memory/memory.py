"""Memory: one store, and everything that reads and writes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from treadle.core.chat import ChatModel
from treadle.core.clock import Clock, SystemClock
from treadle.core.database import Database, DatabaseUrl
from treadle.core.embedder import Embedder
from treadle.core.errors import RunError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.core.taint import CLEAN, Labels, has_read
from treadle.memory.carrying import Imported, export_file, import_file
from treadle.memory.embedders import DenseSearch, NamedEmbedder, resolve_embedder
from treadle.memory.episode import Episode, Remembered
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.erasure.purge import Purge
from treadle.memory.erasure.receipt import Receipt
from treadle.memory.hit import Recall
from treadle.memory.kinds import Kind, Origin
from treadle.memory.learning import Learning
from treadle.memory.namespace import Namespace, Where
from treadle.memory.policies import Policies
from treadle.memory.recall import Recaller
from treadle.memory.statistics import Statistics, statistics
from treadle.memory.store import Store
from treadle.memory.working import handlers_of
from treadle.memory.writing.background import Background, Chore
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.echo import EchoGuard
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts
from treadle.memory.writing.outbox import Outbox
from treadle.memory.writing.worker import Worker

_TIDY_SECONDS = 60.0

When = datetime | float | str | None
"""A time: a datetime, seconds since 1970, ISO 8601; None for now."""


class Memory:
    """A persistent memory in one database; safe to share between tasks of one event loop.

    `async with Memory(...)` works out in the background what follows from what is remembered:
    vectors, facts, summaries. Without the block that waits, in the outbox, until this process or
    another calls `work`.

    database: "sqlite:///path", "postgresql://...", or a Database, which its owner closes.
    namespace: the one that is meant where a call names none, here and in `facts`, `artifacts` and
        the rest; a path such as `users/alice` is the tenant `local`'s, and in calls this tenant's.
    embedder: `none`, `local`, `openai:MODEL`, a URL, or an Embedder; see `resolve_embedder`.
    model: proposes facts, lessons and summaries; without one rules alone do. It never decides.
    purges: other places that `forget` has to look through, such as the journal.

    Raises ConfigError for what cannot be used. Nothing is opened before the first call.
    """

    def __init__(
        self,
        database: str | Database,
        *,
        namespace: Where = None,
        embedder: str | Embedder | NamedEmbedder | None = None,
        model: ChatModel | None = None,
        clock: Clock | None = None,
        purges: Sequence[Purge] = (),
    ) -> None:
        self._owned = isinstance(database, str)
        opened = Database(DatabaseUrl.parse(database)) if isinstance(database, str) else database
        clock = clock or SystemClock()
        self.namespace = Namespace.of(namespace, Namespace())
        self.store = Store(opened, clock, home=self.namespace)
        self.embedder = resolve_embedder(embedder)
        learning = Learning(self.store, model)
        self.concepts = learning.concepts
        """What runs taught: what worked, and warnings."""
        self.procedures = learning.procedures
        """Plans that worked, with their parameters."""
        self.people = learning.people
        """A summary of each person."""
        self.artifacts = learning.artifacts
        """Versioned files for long outputs."""
        self.instructions = learning.instructions
        """The steps of long jobs."""
        self.distiller = learning.distiller
        """Learns from runs."""
        handlers = handlers_of(self.store, self.embedder, model)
        self.episodes = Episodes(self.store, handlers.of_episodes)
        """What was said, read or done."""
        self.facts = Facts(self.store, handlers.of_facts)
        """What holds, and when it held."""
        self.outbox = Outbox(self.store)
        """What is still to be worked out, and what could not be."""
        self.policies = Policies(self.store)
        """How much of a namespace is kept, and for how long."""
        self._worker = Worker(self.outbox, handlers.by_task, clock=clock)
        self._dense = None if self.embedder is None else DenseSearch(self.embedder)
        self._recaller = Recaller(self.store, self._dense)
        self._echo = EchoGuard(self.store)
        self._eraser = Eraser(self.store, purges)
        self._background = Background(clock)

    async def remember(
        self,
        text: str,
        *,
        namespace: Where = None,
        actor: str = "",
        source: str = "",
        origin: Origin = Origin.USER,
        thread: str = "",
        occurred_at: When = None,
        idempotency_key: str | None = None,
        previous: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        taint: Labels = CLEAN,
    ) -> Remembered:
        """Keep `text`: durable when this returns, without a call of any model.

        See `Episodes.remember` for the arguments, the rules of what is a duplicate, and the errors.
        """
        kept = await self.episodes.remember(
            text,
            namespace=namespace,
            actor=actor,
            source=source,
            origin=origin,
            thread=thread,
            occurred_at=occurred_at,
            idempotency_key=idempotency_key,
            previous=previous,
            metadata=metadata,
            taint=taint,
        )
        self._worker.wake()
        return kept

    async def remember_many(
        self, drafts: Sequence[Draft], *, namespace: Where = None
    ) -> tuple[Remembered, ...]:
        """Keep all of `drafts`, in order, or none of them."""
        kept = await self.episodes.remember_many(drafts, namespace=namespace)
        self._worker.wake()
        return kept

    async def recall(
        self,
        query: str,
        k: int = 10,
        *,
        namespace: Where = None,
        as_of: When = None,
        known_at: When = None,
        budget_tokens: int | None = None,
        kinds: Collection[Kind] = (Kind.EPISODE, Kind.FACT),
        note: bool = True,
    ) -> Recall:
        """What bears on `query`, best first; at most `k` hits, within `budget_tokens`.

        as_of: facts as they held then, and episodes from until then; now by default.
        known_at: only what the store knew then.
        note: whether the hits go into a prompt. They are taken down then, so that what comes back
            of them is not kept as news, and how often an item was of use is counted.

        The labels of the hits go over to the call of a tool that this is done in.

        Raises InputError: `bad_query`, `bad_date`; RunError where the database fails.
        """
        space = self._space(namespace)
        found = await self._recaller.recall(
            query,
            k,
            namespace=space,
            as_of=as_of,
            known_at=known_at,
            budget_tokens=budget_tokens,
            kinds=kinds,
        )
        has_read(found.taint)
        if note and found.hits:
            await self._echo.note_recalled(space, found.hits)
        return found

    async def forget(
        self,
        *,
        namespace: Where = None,
        subject: str | None = None,
        episodes: Collection[str] = (),
        everything: bool = False,
        reason: str = "",
    ) -> Receipt:
        """Erase for good what is known of a subject, some episodes, or all; see `Eraser.forget`."""
        return await self._eraser.forget(
            namespace=self._space(namespace),
            subject=subject,
            episodes=episodes,
            everything=everything,
            reason=reason,
        )

    async def export(
        self, path: Path | str, *, namespace: Where = None, embeddings: bool = True
    ) -> int:
        """Write the namespace and those below it to a file of JSON lines; its bytes.

        Raises InputError (`export_failed`).
        """
        space = self._space(namespace)
        return await export_file(self.store, space, Path(path), embeddings=embeddings)

    async def import_(self, path: Path | str, *, namespace: Where = None) -> Imported:
        """Add what `export` wrote, all or nothing; what is there already is left as it is.

        Raises InputError: `bad_import`, `import_too_new`, `import_failed`.
        """
        done = await import_file(self.store, Path(path), self._space(namespace))
        self._worker.wake()
        return done

    async def stats(self, *, namespace: Where = None) -> Statistics:
        """How much the namespace and those below it hold."""
        return await statistics(self.store, self._space(namespace), self.embedder)

    async def get(self, episode_id: str, *, namespace: Where = None) -> Episode:
        """The episode with this id. Raises InputError (`unknown_episode`)."""
        return await self.episodes.get(episode_id, namespace=namespace)

    async def work(self) -> int:
        """Work out everything that is due, now; how many pieces of work were done.

        The limits of namespaces are made to hold, and an erasure that was cut short is
        brought to its end.
        """
        done = await self._worker.work_once()
        await self._tidy()
        return done

    async def aclose(self) -> None:
        """Stop the work in the background, and close what this Memory has opened."""
        try:
            await self._background.aclose()
        finally:
            if self.embedder is not None:
                self.embedder.close()
            if self._owned:
                await self.store.database.close()

    @property
    def failure(self) -> TreadleError | None:
        """Why the work in the background fails, where it does; nothing is lost, it is tried again.

        Where it fails to the end of the block, that raises it, unless the block raises itself.
        """
        return self._background.failure

    async def __aenter__(self) -> Self:
        await self._background.start(
            Chore("the outbox", self._worker.work_once, self._worker.pause),
            Chore("limits and erasures", self._tidy, self._until_tidying),
        )
        return self

    def _space(self, namespace: Where) -> Namespace:
        return Namespace.of(namespace, self.namespace)

    async def _tidy(self) -> None:
        for space in await self.policies.limited():
            await self.policies.enforce(namespace=space)
        try:
            await self._eraser.finish()
        except RunError as error:
            # Others use the files still; it is tried again.
            if error.code != "erasure_pending":
                raise

    async def _until_tidying(self) -> None:
        await self.store.clock.sleep(_TIDY_SECONDS)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
        if error is None and self.failure is not None:
            raise self.failure
