"""Rows of every table, written directly: what the parts of memory that write would leave."""

from __future__ import annotations

import json
from hashlib import sha256

from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition


def terms_of(text: str) -> list[str]:
    return text.casefold().split()


async def episode(
    partition: Partition, uid: str, text: str, *, previous: int | None = None, **more: object
) -> int:
    """An episode that is in the index and has an embedding, a fingerprint and a task."""
    terms = terms_of(text)
    values = {
        "occurred_at": partition.now,
        "recorded_at": partition.now,
        "idempotency_key": f"key of {uid}",
        **more,
    }
    number = await partition.add(
        tables.episode,
        uid=uid,
        text=text,
        previous_id=previous,
        terms=" ".join(terms),
        length=len(terms),
        content_hash=sha256(text.encode()).hexdigest(),
        fingerprint=sha256(text.casefold().encode()).hexdigest()[:16] + uid,
        **values,
    )
    await around(partition, Kind.EPISODE, number, terms)
    space = tables.namespace
    await partition.execute(
        space.update()
        .where(space.c.id == partition.id)
        .values(episodes=space.c.episodes + 1, terms=space.c.terms + len(terms))
    )
    return number


async def around(partition: Partition, kind: Kind, number: int, terms: list[str]) -> None:
    await lexical_index.index(partition, kind, number, terms)
    await partition.execute(
        partition.insert(tables.embedding).values(
            model="m", kind=int(kind), item_id=number, signature=b"\1" * 8, vector=b"\2" * 32
        )
    )
    await partition.add(
        tables.recalled,
        fingerprint=f"{kind}-{number}",
        kind=int(kind),
        item_id=number,
        recalled_at=partition.now,
    )
    await partition.add(
        tables.outbox,
        task="embed",
        kind=int(kind),
        item_id=number,
        available_at=partition.now,
        payload=json.dumps({"terms": terms}),
    )


async def entity(partition: Partition, name: str, *episodes: int) -> int:
    number = await partition.add(tables.entity, name=name, key=name.casefold(), kind="person")
    for each in episodes:
        await partition.execute(
            partition.insert(tables.mention).values(entity_id=number, episode_id=each)
        )
    return number


async def fact(
    partition: Partition,
    uid: str,
    subject: int,
    predicate: str,
    object_: str,
    *sources: int,
    supersedes: int | None = None,
) -> int:
    text = f"{predicate} {object_}"
    number = await partition.add(
        tables.fact,
        uid=uid,
        subject_id=subject,
        predicate=predicate,
        object=object_,
        object_key=object_.casefold(),
        text=text,
        recorded_at=partition.now,
        supersedes_id=supersedes,
        terms=" ".join(terms_of(text)),
        length=2,
    )
    await around(partition, Kind.FACT, number, terms_of(text))
    for each in sources:
        await partition.execute(
            partition.insert(tables.fact_source).values(fact_id=number, episode_id=each)
        )
    return number


async def concept(partition: Partition, uid: str, name: str, body: str, **more: object) -> int:
    number = await partition.add(
        tables.concept,
        uid=uid,
        kind="concept",
        name=name,
        body=body,
        recorded_at=partition.now,
        terms=" ".join(terms_of(name)),
        **more,
    )
    await around(partition, Kind.CONCEPT, number, terms_of(name))
    return number


async def procedure(partition: Partition, uid: str, task: str, **more: object) -> int:
    number = await partition.add(
        tables.procedure,
        uid=uid,
        kind="plan",
        task=task,
        task_key=task.casefold(),
        template=json.dumps({"goal": task}),
        fingerprint="f",
        recorded_at=partition.now,
        terms=" ".join(terms_of(task)),
        **more,
    )
    await around(partition, Kind.PROCEDURE, number, terms_of(task))
    return number


async def artifact(partition: Partition, uid: str, name: str, *parts: bytes) -> int:
    number = await partition.add(
        tables.artifact,
        uid=uid,
        name=name,
        version=1,
        size=sum(map(len, parts)),
        recorded_at=partition.now,
    )
    start = 0
    for each in parts:
        await partition.execute(
            partition.insert(tables.artifact_part).values(
                artifact_id=number, start=start, content=each
            )
        )
        start += len(each)
    return number


async def link(
    partition: Partition, source: tuple[Kind, int], target: tuple[Kind, int], relation: str = "of"
) -> None:
    await partition.execute(
        partition.insert(tables.link).values(
            from_kind=int(source[0]),
            from_id=source[1],
            relation=relation,
            to_kind=int(target[0]),
            to_id=target[1],
        )
    )
