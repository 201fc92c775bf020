"""Many threads and processes on one database."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.memory.langgraph.conftest import at, keep

from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore

WORKERS = 8
TIMES = 20

_processes = multiprocessing.get_context("spawn")


def work(url: str, worker: int) -> None:
    """Put and read, as a process of its own."""
    with TreadleStore(url) as store, TreadleCheckpointer(url) as saver:
        config = at(f"thread {worker}")
        for number in range(TIMES):
            store.put(("all",), f"{worker}-{number}", {"n": number}, ttl=5)
            store.put(("all",), "shared", {"last": [worker, number]})
            assert store.get(("all",), f"{worker}-{number}") is not None
            config = keep(saver, config, number, n=number)
            saver.put_writes(config, [("n", number)], "task")
            found = saver.get_tuple(at(f"thread {worker}"))
            assert found is not None
            assert found.checkpoint["channel_values"] == {"n": number}


def check(url: str, workers: int = WORKERS) -> None:
    with TreadleStore(url) as store, TreadleCheckpointer(url) as saver:
        assert len(store.search(("all",), limit=10_000)) == workers * TIMES + 1
        assert len(list(saver.list(None))) == workers * TIMES


@pytest.mark.timeout(300)
def test_processes_share_a_database(database_url: str) -> None:
    # A server has its own way with writers; on a file it is ours that counts.
    count = WORKERS if database_url.startswith("sqlite") else 3
    workers = [
        _processes.Process(target=work, args=(database_url, number)) for number in range(count)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join(250)
    assert [each.exitcode for each in workers] == [0] * count
    check(database_url, count)


@pytest.mark.timeout(180)
def test_threads_share_an_object(database_url: str) -> None:
    with TreadleStore(database_url) as store, TreadleCheckpointer(database_url) as saver:

        def run(worker: int) -> None:
            config = at(f"thread {worker}")
            for number in range(TIMES):
                store.put(("all",), f"{worker}-{number}", {"n": number})
                config = keep(saver, config, number, n=number)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(run, range(WORKERS)))
        store.put(("all",), "shared", {})
    check(database_url)


@pytest.mark.timeout(180)
def test_event_loops_in_threads_share_an_object(database_url: str) -> None:
    with TreadleStore(database_url) as store:

        async def run(worker: int) -> None:
            await asyncio.gather(
                *(store.aput(("all",), f"{worker}-{n}", {"n": n}) for n in range(TIMES))
            )

        threads = [
            threading.Thread(target=lambda worker=worker: asyncio.run(run(worker)))
            for worker in range(WORKERS)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(150)
        assert len(store.search(("all",), limit=10_000)) == WORKERS * TIMES


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_connections_of_its_own(database_url: str) -> None:
    with TreadleStore(database_url) as store:
        store.put(("a",), "parent", {})
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store.put(("a",), "child", {})
                status = 0
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(ended) == 0
        assert {each.key for each in store.search(("a",))} == {"parent", "child"}
