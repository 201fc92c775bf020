"""The store: namespaces, their clocks, and the fence between them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store
from treadle.memory.times import moment, seconds
from treadle.testing import FakeClock

ALICE = Namespace("users/alice")
BOB = Namespace("users/bob")


async def _found(partition: Partition, term: str) -> list[int]:
    sql = lexical_index.match(partition.is_sqlite)
    token = lexical_index.token(partition.id, Kind.EPISODE, term)
    return [row for (row,) in await partition.raw(sql, {"token": token})]


async def test_what_one_namespace_has_no_other_sees(store: Store) -> None:
    async with store.writing(ALICE) as partition:
        await partition.add(tables.entity, name="Kim", key="kim")
    async with store.writing(BOB) as partition:
        found = await partition.execute(partition.rows(tables.entity))
        assert found.all() == []
        await partition.execute(partition.update(tables.entity).values(name="changed"))
        await partition.execute(partition.delete(tables.entity))
    async with store.reading(ALICE) as partition:
        names = await partition.execute(partition.rows(tables.entity, tables.entity.c.name))
        assert names.scalars().all() == ["Kim"]


async def test_a_namespace_that_is_not_there_is_empty(store: Store) -> None:
    async with store.reading(Namespace("nowhere")) as partition:
        assert (await partition.execute(partition.rows(tables.episode))).all() == []


async def test_a_statement_across_namespaces_is_an_error_of_ours(store: Store) -> None:
    other = tables.entity.alias()
    async with store.writing(ALICE) as partition:
        for statement in (
            sa.select(tables.entity),
            sa.delete(tables.entity),
            sa.update(tables.entity).values(name="x"),
            sa.select(tables.entity).where(tables.entity.c.namespace_id == partition.id + 1),
            partition.rows(tables.entity).join(other, other.c.key == tables.entity.c.key),
            partition.rows(tables.entity).where(
                tables.entity.c.id.in_(sa.select(tables.mention.c.entity_id))
            ),
        ):
            with pytest.raises(AssertionError, match="across namespaces"):
                await partition.execute(statement)
        joined = partition.rows(tables.entity).join(
            other, (other.c.key == tables.entity.c.key) & partition.owns(other)
        )
        assert (await partition.execute(joined)).all() == []


async def test_many_rows_are_inserted_into_the_namespace(store: Store) -> None:
    async with store.writing(ALICE) as partition:
        await partition.execute(
            sa.insert(tables.entity), [{"name": key, "key": key} for key in ("a", "b")]
        )
        found = await partition.execute(partition.rows(tables.entity, tables.entity.c.key))
        assert found.scalars().all() == ["a", "b"]


async def test_an_exception_takes_the_transaction_back(store: Store) -> None:
    async def fail() -> None:
        async with store.writing(ALICE) as partition:
            await partition.add(tables.entity, name="Kim", key="kim")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with store.reading(ALICE) as partition:
        assert (await partition.execute(partition.rows(tables.entity))).all() == []


async def test_recording_never_goes_back(store: Store, clock: FakeClock) -> None:
    moments = []
    for step in (0.0, 10.0, -3600.0, 0.0):
        clock.jump(step)
        async with store.writing(ALICE) as partition:
            moments.append(partition.now)
    assert moments == sorted(set(moments))


async def test_moments_of_recording_come_back_from_datetimes(
    store: Store, clock: FakeClock
) -> None:
    """Clocks tell more than microseconds, and may stand still."""
    moments = []
    for step in range(120):
        # Half of the time between two microseconds, and no time at all.
        clock.jump(0.0 if step % 3 else 1e-3 + 4.77e-7)
        async with store.writing(ALICE) as partition:
            moments.append(partition.now)
    dates = [moment(each) for each in moments]
    assert [seconds(each) for each in dates] == moments
    assert len(set(dates)) == len(moments)
    assert moments == sorted(moments)


async def test_the_index_finds_terms_of_the_namespace_only(store: Store) -> None:
    async with store.writing(ALICE) as partition:
        await lexical_index.index(partition, Kind.EPISODE, 7, ["loom", "12e4", "織機"])
        await lexical_index.index(partition, Kind.FACT, 7, ["loom"])
    async with store.writing(BOB) as partition:
        await lexical_index.index(partition, Kind.EPISODE, 8, ["loom"])
    async with store.reading(ALICE) as partition:
        for term in ("loom", "12e4", "織機"):
            assert await _found(partition, term) == [7 * lexical_index.KINDS]
        assert await _found(partition, "thread") == []
    async with store.writing(ALICE) as partition:
        for _ in range(2):
            await lexical_index.unindex(partition, Kind.EPISODE, 7, ["loom", "12e4", "織機"])
        assert await _found(partition, "loom") == []
        if partition.is_sqlite:
            # It fails where the index is damaged.
            await partition.raw("insert into term_index (term_index) values ('optimize')", {})


async def test_namespaces_below(store: Store) -> None:
    for path in ("users", "users/alice", "users/alice/work", "users/al", "usersx"):
        async with store.writing(Namespace(path)):
            pass
    async with store.writing(Namespace("users", tenant="other")):
        pass
    below = await store.namespaces(Namespace("users"))
    assert [each.path for each in below] == ["users", "users/al", "users/alice", "users/alice/work"]
    assert len(await store.namespaces(Namespace())) == 5
    assert all(Namespace("users").holds(each) for each in below)
    assert not Namespace("users").holds(Namespace("usersx"))


@pytest.mark.parametrize(
    "path", ["a//b", "/a", "a/", "a\nb", " a", "a\0", "\ud800", "x" * 201, "a\u202eb"]
)
def test_bad_names_are_refused(path: str) -> None:
    with pytest.raises(InputError) as caught:
        Namespace(path)
    assert caught.value.code == "bad_namespace"


def test_sql_in_a_name_is_a_name() -> None:
    assert str(Namespace("'; drop table episode; --")) == "local:'; drop table episode; --"
