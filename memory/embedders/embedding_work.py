"""Making the vectors of items that are waiting for theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from treadle.core.errors import ModelError, TreadleError
from treadle.memory import tables
from treadle.memory.embedders.named_embedder import NamedEmbedder, Vectors
from treadle.memory.embedders.vector_rows import drop_models, put_vectors
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store


@dataclass(frozen=True, slots=True)
class Pending:
    """An item that may want a vector."""

    kind: Kind
    item_id: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of items.

    done: those that need no more work: embedded, embedded before, without text, or gone.
    failed: why the others have no vector; whether to try again is the error's to say.
    """

    done: tuple[Pending, ...]
    failed: Mapping[Pending, TreadleError]


async def embed_pending(
    store: Store, namespace: Namespace, embedder: NamedEmbedder, items: Sequence[Pending]
) -> Embedded:
    """Embed the texts of `items` and keep their vectors; doing it again changes nothing.

    No transaction is open while the embedder works. An item that is deleted meanwhile gets no
    vector. Where the embedder refuses some of the texts, the others are embedded all the same.
    """
    async with store.reading(namespace) as partition:
        texts = await _texts(partition, items, embedder.model)
    made: dict[Pending, Vectors] = {}
    failed: dict[Pending, TreadleError] = {}
    await _embed(embedder, list(texts.items()), made, failed)
    if made:
        async with store.writing(namespace) as partition:
            await _keep(partition, made)
    return Embedded(tuple(each for each in items if each not in failed), failed)


async def missing_vectors(
    partition: Partition, model: str, kind: Kind, after: int = 0, most: int = 1000
) -> list[Pending]:
    """Items of `kind` without a vector of `model`, in their order, beyond number `after`.

    For going over a namespace where the model changed.
    """
    text = _TEXTS.get(kind)
    if text is None:
        return []
    table = text[0]
    query = partition.rows(table, table.c.id).where(
        table.c.id > after, ~_has_vector(partition, table.c.id, kind, model)
    )
    found = await partition.execute(query.order_by(table.c.id).limit(most))
    return [Pending(kind, row.id) for row in found]


async def drop_other_models(partition: Partition, model: str) -> int:
    """Delete the vectors of all models but `model`; how many there were."""
    return await drop_models(partition, model)


async def _embed(
    embedder: NamedEmbedder,
    waiting: Sequence[tuple[Pending, str]],
    made: dict[Pending, Vectors],
    failed: dict[Pending, TreadleError],
) -> None:
    """Embed in one batch; where that is refused, halve by halve, so that one text spoils itself."""
    if not waiting:
        return
    try:
        vectors = await embedder.vectors([text for _, text in waiting])
    except ModelError as error:
        if error.retryable or len(waiting) == 1 or error.code not in _OF_ONE_TEXT:
            failed.update((item, error) for item, _ in waiting)
            return
        middle = len(waiting) // 2
        await _embed(embedder, waiting[:middle], made, failed)
        await _embed(embedder, waiting[middle:], made, failed)
        return
    for place, (item, _) in enumerate(waiting):
        made[item] = Vectors(vectors.model, vectors.rows[place : place + 1])


_OF_ONE_TEXT = frozenset(
    {"bad_embedding", "model_bad_request", "model_context_overflow", "model_content_filtered"}
)

_EPISODE, _FACT, _CONCEPT, _PROCEDURE = (
    tables.episode,
    tables.fact,
    tables.concept,
    tables.procedure,
)
# What of an item is embedded. Artifacts are found by their terms only.
_TEXTS: Mapping[Kind, tuple[sa.Table, sa.ColumnElement[str]]] = {
    Kind.EPISODE: (
        _EPISODE,
        sa.case(
            (_EPISODE.c.actor != "", _EPISODE.c.actor + ": " + _EPISODE.c.text),
            else_=_EPISODE.c.text,
        ),
    ),
    Kind.FACT: (_FACT, _FACT.c.text),
    Kind.CONCEPT: (_CONCEPT, _CONCEPT.c.name + ": " + _CONCEPT.c.body),
    Kind.PROCEDURE: (_PROCEDURE, _PROCEDURE.c.task),
}


def _has_vector(
    partition: Partition, number: sa.ColumnElement[int], kind: Kind, model: str
) -> sa.ColumnElement[bool]:
    table = tables.embedding
    return sa.exists().where(
        partition.owns(table),
        table.c.model == model,
        table.c.kind == int(kind),
        table.c.item_id == number,
    )


async def _texts(
    partition: Partition, items: Sequence[Pending], model: str | None
) -> dict[Pending, str]:
    """The texts of those items that are there, have one, and lack a vector of `model`."""
    found: dict[Pending, str] = {}
    for kind, (table, text) in _TEXTS.items():
        numbers = [each.item_id for each in items if each.kind == kind]
        if not numbers:
            continue
        query = partition.rows(table, table.c.id, text.label("content")).where(
            table.c.id.in_(numbers)
        )
        if model is not None:
            query = query.where(~_has_vector(partition, table.c.id, kind, model))
        for row in await partition.execute(query):
            if row.content.strip():
                found[Pending(kind, row.id)] = row.content
    return found


async def _keep(partition: Partition, made: Mapping[Pending, Vectors]) -> None:
    import numpy as np

    there = await _texts(partition, list(made), None)
    kept = [item for item in made if item in there]
    if kept:
        # All of one embedder, which has one model.
        rows = np.concatenate([made[item].rows for item in kept])
        pairs = [(item.kind, item.item_id) for item in kept]
        await put_vectors(partition, made[kept[0]].model, pairs, rows)
