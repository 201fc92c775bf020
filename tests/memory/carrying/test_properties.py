"""Whatever is in a store: carried to another, it is the same."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.memory.carrying.stores import each, exported, made_empty, opened, sqlite_url

from treadle.memory import lexical_index, tables
from treadle.memory.carrying import import_
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store

# What databases keep: no NUL, no half of a surrogate pair.
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
words = st.sampled_from(["alpha", "beta", "織機", "'; drop", "Ünï", '"', "\\n", "{}"])
times = st.floats(-6.2e10, 2.5e11, allow_nan=False)
maybe_times = st.none() | times
scores = st.floats(0, 1, allow_nan=False)
labels = st.lists(texts, max_size=2).map(json.dumps)
objects = st.dictionaries(texts, texts | st.integers(-9, 9), max_size=2).map(json.dumps)

episodes = st.fixed_dictionaries(
    {
        "text": texts,
        "actor": texts,
        "thread": texts,
        "occurred_at": times,
        "recorded_at": times,
        "taint": labels,
        "metadata": objects,
        "terms": st.lists(words, max_size=3).map(" ".join),
        "length": st.integers(0, 9),
        "uses": st.integers(0, 2**40),
        "used_at": maybe_times,
        "content_hash": texts,
        "fingerprint": texts,
    }
)
facts = st.fixed_dictionaries(
    {
        "predicate": texts,
        "object": texts,
        "object_key": texts,
        "text": texts,
        "valid_from": maybe_times,
        "valid_to": maybe_times,
        "recorded_at": times,
        "retired_at": maybe_times,
        "confidence": scores,
        "cardinality": st.sampled_from(["one", "many"]),
        "terms": words,
        "taint": labels,
    }
)
contents = st.fixed_dictionaries(
    {
        "episodes": st.lists(st.tuples(episodes, st.integers(-1, 9)), max_size=6),
        "entities": st.lists(words, min_size=1, max_size=4, unique=True),
        "facts": st.lists(
            st.tuples(facts, st.integers(0, 9), st.integers(-1, 9), st.sets(st.integers(0, 9))),
            max_size=4,
        ),
        "mentions": st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5),
        "vectors": st.dictionaries(
            st.integers(0, 9), st.binary(min_size=4, max_size=8), max_size=4
        ),
        "links": st.sets(st.tuples(st.integers(0, 9), texts, st.integers(0, 9)), max_size=3),
        "parts": st.lists(st.binary(min_size=1, max_size=9), max_size=3),
    }
)
stores = st.dictionaries(
    st.sampled_from(["", "a", "a/b", "ä", "a b", "-"]), contents, min_size=1, max_size=3
)


def of(numbers: list[int], index: int) -> int | None:
    return numbers[index % len(numbers)] if numbers and index >= 0 else None


async def write(partition: Partition, given: Mapping[str, Any]) -> None:
    made: list[int] = []
    for values, before in given["episodes"]:
        number = await partition.add(
            tables.episode, **values, uid=f"e{len(made)}", previous_id=of(made, before)
        )
        made.append(number)
        await lexical_index.index(partition, Kind.EPISODE, number, values["terms"].split())
    entities = [await partition.add(tables.entity, name=key, key=key) for key in given["entities"]]
    told: list[int] = []
    for values, subject, supersedes, sources in given["facts"]:
        number = await partition.add(
            tables.fact,
            **values,
            uid=f"f{len(told)}",
            subject_id=of(entities, subject),
            supersedes_id=of(told, supersedes),
        )
        told.append(number)
        for source in {of(made, index) for index in sources} - {None}:
            insert = partition.insert(tables.fact_source)
            await partition.execute(insert.values(fact_id=number, episode_id=source))
    for entity, episode in {(of(entities, a), of(made, b)) for a, b in given["mentions"]}:
        if episode is not None:
            insert = partition.insert(tables.mention)
            await partition.execute(insert.values(entity_id=entity, episode_id=episode))
    for at, vector in given["vectors"].items():
        if at < len(made):
            await partition.execute(
                partition.insert(tables.embedding).values(
                    model="m", kind=0, item_id=made[at], signature=vector[:1], vector=vector
                )
            )
    for source, relation, target in {
        (of(made, a), relation, of(told, b)) for a, relation, b in given["links"]
    }:
        if source is not None and target is not None:
            await partition.execute(
                partition.insert(tables.link).values(
                    from_kind=0, from_id=source, relation=relation or "r", to_kind=1, to_id=target
                )
            )
    await write_artifact(partition, given["parts"])


async def write_artifact(partition: Partition, parts: list[bytes]) -> None:
    number = await partition.add(tables.artifact, uid="a", name="x", recorded_at=1.0)
    start = 0
    for part in parts:
        insert = partition.insert(tables.artifact_part)
        await partition.execute(insert.values(artifact_id=number, start=start, content=part))
        start += len(part)


async def fill(store: Store, given: Mapping[str, Mapping[str, Any]]) -> None:
    for path, content in given.items():
        async with store.writing(Namespace(path)) as partition:
            await write(partition, content)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_empty(tmp_path_factory.mktemp("empty"))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(stores)
async def test_whatever_is_carried_is_the_same(
    empty: Path, given: Mapping[str, Mapping[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for copy in ("here.db", "there.db"):
            shutil.copy(empty, folder / copy)
        async with (
            opened(sqlite_url(folder, "here")) as here,
            opened(sqlite_url(folder, "there")) as there,
        ):
            await fill(here, given)
            lines = await exported(here)
            await import_(there, each(lines))
            assert await exported(there) == lines
            again = await import_(there, each(lines))
            assert not again.added
            assert await exported(there) == lines
