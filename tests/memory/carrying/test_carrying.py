"""Export and import: nothing is lost, nothing is doubled, and it is all or nothing."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.memory.carrying.stores import each, exported, opened, sqlite_url
from tests.memory.erasure import filling
from tests.memory.erasure.test_eraser import CANARY, HOME, fill, left

from treadle.core.errors import InputError
from treadle.memory import lexical_index, tables
from treadle.memory.carrying import export_file, import_, import_file
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

OTHER = Namespace("home/letters")


@pytest.fixture
async def lines(store: Store) -> list[bytes]:
    """What is exported of a filled store."""
    for namespace in (HOME, OTHER):
        await fill(store, namespace)
    await Eraser(store).forget(namespace=OTHER, episodes=["e1"], reason="asked")
    return await exported(store)


def sealed(lines: list[bytes]) -> list[bytes]:
    """The lines with an end that fits them."""
    counts: dict[str, int] = {}
    for line in lines[1:-1]:
        name = json.loads(line)["in"]
        counts[name] = counts.get(name, 0) + 1
    end = {"end": counts, "sha256": sha256(b"".join(lines[:-1])).hexdigest()}
    return [*lines[:-1], json.dumps(end).encode() + b"\n"]


async def test_what_was_carried_is_the_same_byte_for_byte(
    lines: list[bytes], tmp_path: Path
) -> None:
    async with opened(sqlite_url(tmp_path, "there")) as there:
        done = await import_(there, each(lines))
        assert done.added["episode"] == 9
        assert not done.present
        assert await exported(there) == lines
        again = await import_(there, each(lines))
        assert not again.added
        assert again.present["episode"] == 9
        assert await exported(there) == lines


async def test_from_sqlite_to_postgresql_and_back(postgres_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path, "here")) as here, opened(postgres_url) as there:
        await fill(here)
        lines = await exported(here)
        await import_(there, each(lines))
        assert await exported(there) == lines
        async with opened(sqlite_url(tmp_path, "back")) as back:
            await import_(back, each(await exported(there)))
            assert await exported(back) == lines


async def test_what_was_carried_is_found_and_counted(lines: list[bytes], tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path, "there")) as there:
        await import_(there, each(lines))
        async with there.reading(HOME) as partition:
            episode = tables.episode.c
            rows = (
                await partition.execute(partition.rows(tables.episode).order_by(episode.id))
            ).all()
            assert [row.previous_id for row in rows] == [None, *(row.id for row in rows[:-1])]
            token = lexical_index.token(partition.id, Kind.EPISODE, "lisbon")
            found = await partition.raw(lexical_index.MATCH_SQLITE, {"token": token})
            assert found.scalars().all() == [rows[1].id * lexical_index.KINDS]
            token = lexical_index.token(partition.id, Kind.EPISODE, "roof")
            found = await partition.raw(lexical_index.MATCH_SQLITE, {"token": token})
            assert found.scalars().all() == [rows[0].id * lexical_index.KINDS]
            space = tables.namespace
            row = (
                await partition.execute(sa.select(space).where(space.c.id == partition.id))
            ).one()
            assert row.episodes == 5
            assert row.terms == sum(each.length for each in rows)


async def test_into_a_store_with_something_in_it(store: Store, tmp_path: Path) -> None:
    await fill(store)
    lines = await exported(store)
    async with opened(sqlite_url(tmp_path, "there")) as there:
        await import_(there, each(lines))
        await Eraser(there).forget(namespace=HOME, episodes=["e1"])
        async with there.writing(HOME) as partition:
            await filling.episode(partition, "new", "Something else.")
        done = await import_(there, each(lines))
        # What was forgotten there stays so, and what was added there stays.
        assert done.erased["episode"] == 1
        assert (await left(there))["episode"] == ["e2", "e3", "e4", "e5", "new"]


async def test_what_was_forgotten_is_not_brought_back(store: Store) -> None:
    await fill(store)
    lines = await exported(store)
    await Eraser(store).forget(namespace=HOME, subject=CANARY)
    before = await exported(store)
    done = await import_(store, each(lines))
    assert done.erased["episode"] == 3
    assert not done.added
    assert await exported(store) == before
    # Nor after all of the namespace went, when it begins anew.
    await Eraser(store).forget(namespace=HOME, everything=True)
    await import_(store, each(lines))
    kept = await left(store)
    assert not any(CANARY in text for texts in kept.values() for text in texts)
    assert kept["episode"] == []


async def test_into_another_tenant_and_nowhere_else(lines: list[bytes], store: Store) -> None:
    theirs = Namespace("home", tenant="theirs")
    before = await exported(store)
    await import_(store, each(lines), theirs)
    assert await exported(store) == before
    assert [str(found) for found in await store.namespaces(theirs)] == [
        "theirs:home",
        "theirs:home/letters",
    ]


async def test_what_was_exported_is_moved_to_where_it_is_to_lie(store: Store) -> None:
    for namespace in (HOME, OTHER):
        await fill(store, namespace)
    there = Namespace("copies/first", "theirs")
    await import_(store, each(await exported(store, HOME)), there)
    assert [each.path for each in await store.namespaces(Namespace("", "theirs"))] == [
        "copies/first",
        "copies/first/letters",
    ]
    again = await import_(store, each(await exported(store, HOME)), there)
    assert (dict(again.added), again.present["episode"]) == ({}, again.present["episode"])
    # Of what lies there already, or below, nothing is moved.
    back = await import_(store, each(await exported(store, OTHER)), HOME)
    assert dict(back.added) == {}
    moved = await exported(store, there)
    rows = [line for line in await exported(store, HOME) if b'"in":"episode"' in line]
    assert [line for line in moved if b'"in":"episode"' in line] == rows


async def test_nothing_comes_from_outside_of_what_was_exported(store: Store) -> None:
    await fill(store, OTHER)
    lines = changed(await exported(store, OTHER), "namespace", path="home")
    for home in (OTHER, Namespace("else"), Namespace()):
        with pytest.raises(InputError) as caught:
            await import_(store, each(lines), home)
        assert caught.value.code == "bad_import"
    assert await store.namespaces(Namespace("else")) == ()


async def test_without_embeddings(store: Store, tmp_path: Path) -> None:
    await fill(store)
    lines = await exported(store, embeddings=False)
    assert not any(b'"in":"embedding"' in line for line in lines)
    async with opened(sqlite_url(tmp_path, "there")) as there:
        await import_(there, each(lines))
        assert await exported(there, embeddings=False) == lines


async def test_files_are_whole_and_private(store: Store, tmp_path: Path) -> None:
    await fill(store)
    path = tmp_path / "memory.jsonl"
    size = await export_file(store, Namespace(), path)
    assert path.read_bytes() == b"".join(await exported(store))
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o777 == 0o600
    done = await import_file(store, path)
    assert done.present["episode"] == 5
    with pytest.raises(InputError) as caught:
        await export_file(store, Namespace(), tmp_path / "no" / "where")
    assert caught.value.code == "export_failed"
    with pytest.raises(InputError) as caught:
        await import_file(store, tmp_path / "nowhere")
    assert caught.value.code == "import_failed"
    assert [found.name for found in tmp_path.glob("*.jsonl*")] == ["memory.jsonl"]


def changed(lines: list[bytes], table: str, **values: Any) -> list[bytes]:
    """The lines with other values in the first row of `table`."""
    at = next(at for at, line in enumerate(lines) if f'"in":"{table}"'.encode() in line)
    record = {**json.loads(lines[at]), **values}
    return sealed([*lines[:at], json.dumps(record).encode() + b"\n", *lines[at + 1 :]])


HOSTILE: dict[str, Any] = {
    "cut off between lines": lambda lines: lines[:-1],
    "cut off within a line": lambda lines: [*lines[:-1], lines[-1][:-9]],
    "no lines": lambda lines: [],
    "another kind of file": lambda lines: [b'{"a":1}\n'],
    "binary": lambda lines: [b"\xff\xfe\x00\n"],
    "one byte is another": lambda lines: [*lines[:3], lines[3].replace(b"e", b"a", 1), *lines[4:]],
    "a line is missing": lambda lines: [*lines[:5], *lines[6:]],
    "a line comes twice": lambda lines: sealed([*lines[:4], lines[3], *lines[4:]]),
    "a namespace comes twice": lambda lines: sealed([*lines[:-1], lines[1], lines[-1]]),
    "something after the end": lambda lines: [*lines, lines[3]],
    "a row before its namespace": lambda lines: sealed([lines[0], *lines[2:]]),
    "no such table": lambda lines: changed(lines, "episode", **{"in": "sqlite_master"}),
    "more columns": lambda lines: changed(lines, "episode", id=1),
    "a bad namespace": lambda lines: changed(lines, "namespace", path="a//b"),
    "a path that is a number": lambda lines: changed(lines, "namespace", path=3),
    "a text that is a number": lambda lines: changed(lines, "episode", text=3),
    "half of a surrogate pair": lambda lines: changed(lines, "episode", text="\ud800"),
    "a NUL": lambda lines: changed(lines, "episode", text="a\0b"),
    "no text": lambda lines: changed(lines, "episode", text=None),
    "no id": lambda lines: changed(lines, "episode", uid=""),
    "a time out of time": lambda lines: changed(lines, "episode", occurred_at=1e300),
    "a time that is true": lambda lines: changed(lines, "episode", occurred_at=True),
    "a huge count": lambda lines: changed(lines, "episode", length=2**70),
    "a negative count": lambda lines: changed(lines, "episode", uses=-1),
    "an unknown origin": lambda lines: changed(lines, "episode", origin="root"),
    "taint that is none": lambda lines: changed(lines, "episode", taint="{}"),
    "metadata that is none": lambda lines: changed(lines, "episode", metadata="nope"),
    "no base64": lambda lines: changed(lines, "embedding", vector="***"),
    "previous is nowhere": lambda lines: changed(lines, "episode", previous_id="nowhere"),
    "subject is nowhere": lambda lines: changed(lines, "fact", subject_id="nowhere"),
    "item is nowhere": lambda lines: changed(lines, "embedding", item_id="nowhere"),
    "no kind of item": lambda lines: changed(lines, "embedding", kind=7),
    "deeper than anybody reads": lambda lines: [lines[0], b"[" * 100_000 + b"\n"],
    "ten megabytes of nothing": lambda lines: [lines[0], b"x" * 10_000_000 + b"\n"],
    "a number of many digits": lambda lines: [lines[0], b'{"a":' + b"9" * 9_999 + b"}\n"],
    "NaN": lambda lines: [lines[0], b'{"in":"namespace","path":NaN}\n'],
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_bad_file_is_named_and_changes_nothing(name: str, tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path, "here")) as here:
        await fill(here)
        lines = await exported(here)
    async with opened(sqlite_url(tmp_path, "there")) as there:
        with pytest.raises(InputError) as caught:
            await import_(there, each(HOSTILE[name](lines)))
        assert caught.value.code == "bad_import"
        assert caught.value.message.startswith("line ")
        assert len(caught.value.message) < 300
        assert await there.namespaces(Namespace()) == ()


async def test_a_file_of_a_later_version(lines: list[bytes], store: Store) -> None:
    newer = json.dumps({**json.loads(lines[0]), "version": 2}).encode() + b"\n"
    with pytest.raises(InputError) as caught:
        await import_(store, each([newer, *lines[1:]]))
    assert caught.value.code == "import_too_new"


async def test_a_namespace_has_no_clock_from_the_end_of_time(
    tmp_path: Path, lines: list[bytes]
) -> None:
    async with opened(sqlite_url(tmp_path, "there")) as there:
        await import_(there, each(changed(lines, "namespace", last_recorded=2.5e11)))
        async with there.writing(HOME) as partition:
            assert partition.now < there.clock.now() + 100_000
