"""What is worked out after the fact: vectors, mentions and facts, summaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from treadle.core.chat import ChatModel
from treadle.memory.embedders import NamedEmbedder, Pending, embed_pending
from treadle.memory.learning import People
from treadle.memory.store import Store
from treadle.memory.writing.consolidator import CONSOLIDATE, FEWEST, MOST, Consolidator
from treadle.memory.writing.episodes import EXTRACT
from treadle.memory.writing.extractor import Extractor
from treadle.memory.writing.outbox import Lease, finish
from treadle.memory.writing.worker import Handler

EMBED = "embed"
"""The task that gives episodes and facts their vectors."""

SUMMARISE = "summarise"
"""The task that keeps the summaries of those up to date whom new facts are about."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """Who does which task of the outbox, and which tasks a new episode and a new fact ask for."""

    by_task: Mapping[str, Handler]
    of_episodes: tuple[str, ...]
    of_facts: tuple[str, ...]


def handlers_of(store: Store, embedder: NamedEmbedder | None, model: ChatModel | None) -> Handlers:
    """The handlers of a memory with this embedder and this model; both may be missing."""
    of_facts = (SUMMARISE,) if embedder is None else (SUMMARISE, EMBED)
    by_task = {
        EXTRACT: Handler(Extractor(store, of_facts).work, finishes=True),
        SUMMARISE: Handler(_Summaries(store).work, most=256),
    }
    of_episodes: tuple[str, ...] = (EXTRACT,)
    if embedder is not None:
        by_task[EMBED] = Handler(_Vectors(store, embedder).work, most=64)
        of_episodes += (EMBED,)
    if model is not None:
        consolidator = Consolidator(store, model, fact_tasks=of_facts)
        by_task[CONSOLIDATE] = Handler(
            consolidator.work, most=MOST, fewest=FEWEST, seconds=400, finishes=True
        )
        of_episodes += (CONSOLIDATE,)
    return Handlers(by_task, of_episodes, of_facts)


class _Vectors:
    def __init__(self, store: Store, embedder: NamedEmbedder) -> None:
        self._store = store
        self._embedder = embedder

    async def work(self, lease: Lease) -> None:
        """Embed the items of the lease. Raises the error of the first that could not be."""
        ids = {Pending(errand.kind, errand.item_id): errand.id for errand in lease.errands}
        made = await embed_pending(self._store, lease.namespace, self._embedder, list(ids))
        if not made.failed:
            return
        async with self._store.writing(lease.namespace) as partition:
            await finish(partition, lease, [ids[each] for each in made.done])
        raise next(iter(made.failed.values()))


class _Summaries:
    """Without a model: what is worked out for each fact must not cost a call."""

    def __init__(self, store: Store) -> None:
        self._people = People(store)

    async def work(self, lease: Lease) -> None:
        """Bring all summaries of the namespace up to date."""
        await self._people.refresh_all(namespace=lease.namespace)
