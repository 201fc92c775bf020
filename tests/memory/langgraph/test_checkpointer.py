"""What the checkpointer promises beyond LangGraph's own suite."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import WRITES_IDX_MAP, CheckpointTuple
from tests.core.database.old import change, rows
from tests.memory.langgraph.conftest import SECONDS, at, keep, made

from treadle.core.errors import ConfigError, RunError, TreadleError
from treadle.memory.langgraph import TreadleCheckpointer
from treadle.testing import FakeClock


def code(call: Any) -> str:
    with pytest.raises(TreadleError) as caught:
        call()
    return caught.value.code


def steps(found: CheckpointTuple) -> Any:
    return found.metadata.get("step")


def threads(found: CheckpointTuple) -> Any:
    return found.config.get("configurable", {}).get("thread_id")


def test_no_tenant_sees_anothers_threads(database_url: str) -> None:
    with (
        TreadleCheckpointer(database_url, tenant="one") as one,
        TreadleCheckpointer(database_url, tenant="two") as two,
    ):
        config = keep(one, at("shared"), secret="of one")
        one.put_writes(config, [("secret", "written by one")], "task")
        assert two.get_tuple(at("shared")) is None
        assert two.get_tuple(config) is None
        assert list(two.list(None)) == []
        two.delete_thread("shared")
        two.prune(["shared"], strategy="delete")
        two.copy_thread("shared", "mine")
        two.delete_for_runs(["r"])
        assert two.sweep_idle(-1e9) == 0
        assert two.get_delta_channel_history(config=config, channels=["secret"]) == {
            "secret": {"writes": []}
        }
        assert two.get_tuple(at("mine")) is None
        keep(two, at("shared"), secret="of two")
        found = one.get_tuple(config)
        assert found is not None
        assert found.checkpoint["channel_values"] == {"secret": "of one"}
        assert found.pending_writes == [("task", "secret", "written by one")]


def test_the_name_of_a_tenant_is_checked(database_url: str) -> None:
    assert code(lambda: TreadleCheckpointer(database_url, tenant="")) == "bad_namespace"
    assert code(lambda: TreadleCheckpointer(database_url, tenant="a\0")) == "bad_namespace"


def test_it_is_used_from_one_event_loop_after_the_other(saver: TreadleCheckpointer) -> None:
    async def one(step: int) -> int:
        config = await saver.aput(at(), made(step, n=step), {}, {"n": str(step + 1)})
        assert saver.get_tuple(config) is not None, "synchronous, in the thread of the loop"
        return len([each async for each in saver.alist(at())])

    assert [asyncio.run(one(step)) for step in range(3)] == [1, 2, 3]


def test_closing_is_not_the_end(saver: TreadleCheckpointer) -> None:
    keep(saver, at(), n=1)
    saver.close()
    saver.close()
    assert saver.get_tuple(at()) is not None


async def test_who_is_cancelled_leaves_a_whole_checkpoint(saver: TreadleCheckpointer) -> None:
    for step in range(10):
        checkpoint = made(step, big="x" * 100_000)
        putting = asyncio.create_task(saver.aput(at(), checkpoint, {}, {"big": str(step + 1)}))
        await asyncio.sleep(0)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
    await saver.aclose()
    found = [each async for each in saver.alist(at())]
    assert len(found) == 10
    assert all(len(each.checkpoint["channel_values"]["big"]) == 100_000 for each in found)


def test_listing_is_bounded_ordered_and_paged(saver: TreadleCheckpointer) -> None:
    config = at()
    for step in range(120):
        config = keep(saver, config, step, n=step)
    assert [steps(each) for each in saver.list(at())] == list(range(119, -1, -1))
    some = list(saver.list(at(), filter={"source": "loop"}, limit=3))
    assert [steps(each) for each in some] == [119, 118, 117]
    assert [steps(each) for each in saver.list(at(), filter={"step": 7})] == [7]
    assert len(list(saver.list(at(), limit=10**30))) == 120
    assert list(saver.list(at(), limit=0)) == []


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_a_database_cannot_keep_is_refused(saver: TreadleCheckpointer, text: str) -> None:
    config = keep(saver, at())
    assert code(lambda: keep(saver, at(text))) == "bad_key"
    assert code(lambda: saver.get_tuple(at(text))) == "bad_key"
    assert code(lambda: saver.get_tuple(at("t", text))) == "bad_key"
    assert code(lambda: keep(saver, at("t", namespace=text))) == "bad_key"
    assert code(lambda: saver.delete_thread(text)) == "bad_key"
    assert code(lambda: keep(saver, at(), **{text: 1})) == "bad_key"
    assert code(lambda: saver.put_writes(config, [(text, 1)], "task")) == "bad_key"
    assert code(lambda: saver.put_writes(config, [("a", 1)], text)) == "bad_key"
    assert len(list(saver.list(None))) == 1


def test_long_ids_are_refused_alike(saver: TreadleCheckpointer) -> None:
    assert code(lambda: keep(saver, at("x" * 3_000))) == "bad_key"
    # Incompressible, so that PostgreSQL cannot make it shorter.
    wide = "".join(chr(0x4E00 + (number * 7_919) % 20_000) for number in range(780))
    keep(saver, at(wide), n=1)
    assert saver.get_tuple(at(wide)) is not None


def test_configs_without_a_thread_or_checkpoint_are_refused(saver: TreadleCheckpointer) -> None:
    assert code(lambda: saver.get_tuple({})) == "bad_config"
    assert code(lambda: saver.put_writes(at(), [("a", 1)], "task")) == "bad_config"
    assert code(lambda: saver.prune(["t"], strategy="keep_none")) == "bad_operation"
    assert code(lambda: keep(saver, at(), n=object())) == "bad_checkpoint"
    assert list(saver.list(None)) == []


def test_ten_megabytes_come_back(saver: TreadleCheckpointer) -> None:
    big = "ü\0" * 5_000_000
    config = keep(saver, at(), big=big, raw=bytes(10_000_000))
    found = saver.get_tuple(config)
    assert found is not None
    assert found.checkpoint["channel_values"]["big"] == big
    assert found.checkpoint["channel_values"]["raw"] == bytes(10_000_000)


def test_a_damaged_checkpoint_is_named_and_the_rest_is_there(
    saver: TreadleCheckpointer, database_url: str
) -> None:
    first = keep(saver, at(), 0, n=1)
    damaged = keep(saver, first, 1, n=2)
    broken = damaged["configurable"]["checkpoint_id"]
    bad = "x'c1'" if database_url.startswith("sqlite") else r"'\xc1'"
    change(database_url, f"update checkpoint set body = {bad} where checkpoint_id = '{broken}'")
    with pytest.raises(RunError, match=broken) as caught:
        saver.get_tuple(at())
    assert caught.value.code == "checkpoint_damaged"
    found = saver.get_tuple(first)
    assert found is not None
    assert found.checkpoint["channel_values"] == {"n": 1}


def test_a_later_schema_is_not_touched(database_url: str) -> None:
    with TreadleCheckpointer(database_url) as saver:
        keep(saver, at(), n=1)
        saver.close()
        change(database_url, "update treadle_schema set version_num = '9999'")
        with pytest.raises(ConfigError) as caught:
            saver.get_tuple(at())
    assert caught.value.code == "database_too_new"


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"these are notes, not a database" * 1_000)
    with TreadleCheckpointer(f"sqlite:///{path}") as saver:
        assert code(lambda: saver.get_tuple(at())).startswith("database_")
    assert path.read_bytes() == b"these are notes, not a database" * 1_000
    assert code(lambda: TreadleCheckpointer("checkpoints.db")) == "bad_database_url"


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    with TreadleCheckpointer(url) as saver:
        keep(saver, at(), 0, n=1)
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
        other.execute("begin immediate")

        async def putting() -> None:
            waiting = asyncio.create_task(saver.aput(at(), made(1, n=2), {}, {"n": "2"}))
            _, pending = await asyncio.wait([waiting], timeout=0.2)
            assert pending
            other.execute("commit")
            async with asyncio.timeout(SECONDS):
                await waiting

        asyncio.run(putting())
        other.close()
        assert len(list(saver.list(at()))) == 2


def test_deleting_leaves_no_values_behind(saver: TreadleCheckpointer, database_url: str) -> None:
    config = at()
    for step in range(4):
        checkpoint = made(step, n=step, kept="same")
        checkpoint["channel_versions"] = {"n": step + 1, "kept": 1}
        new: Any = {"n": step + 1, **({"kept": 1} if step == 0 else {})}
        config = saver.put(config, checkpoint, {"run_id": f"r{step}"}, new)
        saver.put_writes(config, [("n", step)], "task")
    saver.delete_for_runs(["r0", "r1"])
    left = sorted(rows(database_url, "select channel, version from checkpoint_value"))
    assert left == [("kept", "1"), ("n", "3"), ("n", "4")]
    saver.prune(["t"])
    assert rows(database_url, "select channel, version from checkpoint_value order by 1") == [
        ("kept", "1"),
        ("n", "4"),
    ]
    assert rows(database_url, "select count(*) from checkpoint_write") == [(1,)]
    found = saver.get_tuple(at())
    assert found is not None
    assert found.checkpoint["channel_values"] == {"n": 3, "kept": "same"}
    saver.delete_thread("t")
    for table in ("checkpoint", "checkpoint_value", "checkpoint_write"):
        assert rows(database_url, f"select count(*) from {table}") == [(0,)]


def test_threads_that_rest_are_swept(saver: TreadleCheckpointer, clock: FakeClock) -> None:
    keep(saver, at("old"), 0, n=1)
    keep(saver, at("goes on"), 0, n=1)
    clock.advance(3_600)
    keep(saver, at("goes on"), 1, n=2)
    assert saver.sweep_idle(1_800) == 1
    assert {threads(each) for each in saver.list(None)} == {"goes on"}
    assert len(list(saver.list(None))) == 2


def test_a_copy_leaves_what_is_there(saver: TreadleCheckpointer) -> None:
    keep(saver, at("a"), 0, n="of a")
    saver.copy_thread("a", "b")
    saver.copy_thread("a", "b")
    saver.copy_thread("a", "a")
    assert len(list(saver.list(at("a")))) == len(list(saver.list(at("b")))) == 1
    saver.delete_thread("a")
    found = saver.get_tuple(at("b"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"n": "of a"}


def test_versions_grow(saver: TreadleCheckpointer) -> None:
    version: str | None = None
    for _ in range(20):
        later = saver.get_next_version(version, None)
        assert version is None or later > version
        version = later
    assert saver.get_next_version("00000000000000000000000000000041.0.5", None) > "0" * 31 + "5"


def test_special_writes_are_replaced_and_others_stay(saver: TreadleCheckpointer) -> None:
    config = keep(saver, at())
    for channel in sorted(WRITES_IDX_MAP):
        task = f"task of {channel}"
        saver.put_writes(config, [("a", "first"), (channel, "first")], task)
        saver.put_writes(config, [("a", "second"), (channel, "second")], task)
        found = saver.get_tuple(config)
        assert found is not None
        assert found.pending_writes is not None
        kept = {(name, value) for of, name, value in found.pending_writes if of == task}
        assert kept == {("a", "first"), (channel, "second")}


def test_writes_come_in_the_order_of_their_tasks(saver: TreadleCheckpointer) -> None:
    config = keep(saver, at())
    for task, path in (("a", "p2"), ("b", "p1"), ("c", ""), ("a2", "p1")):
        saver.put_writes(config, [("x", f"{task} 0"), ("y", f"{task} 1")], task, path)
    found = saver.get_tuple(config)
    assert found is not None
    assert [value for _, _, value in found.pending_writes or ()] == [
        "c 0", "c 1", "a2 0", "a2 1", "b 0", "b 1", "a 0", "a 1",
    ]  # fmt: skip
    child = keep(saver, config, 1)
    history = saver.get_delta_channel_history(config=child, channels=["x"])
    assert [value for _, _, value in history["x"]["writes"]] == ["c 0", "a2 0", "b 0", "a 0"]
