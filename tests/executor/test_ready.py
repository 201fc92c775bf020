"""Which call starts next."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from treadle.executor.node import Call, Node
from treadle.executor.ready import ReadyQueue
from treadle.planner.step import Step
from treadle.tools import Tool, tool


def make_tool(name: str, concurrency: int | None = None) -> Tool:
    async def work() -> None: ...

    return tool(name=name, concurrency=concurrency)(work)


def call(name: str, rank: float, used: Tool) -> Call:
    return Call(Node(Step(name, used.name), used, rank=rank))


def popped(queue: ReadyQueue) -> list[str]:
    names: list[str] = []
    while (each := queue.pop()) is not None:
        names.append(each.node.step.id)
    return names


FREE = make_tool("free")
ONE = make_tool("one", 1)


def test_the_highest_rank_first_and_equals_in_their_order() -> None:
    queue = ReadyQueue()
    for name, rank in (("a", 1.0), ("b", 5.0), ("c", 5.0), ("d", 3.0)):
        queue.push(call(name, rank, FREE))
    assert popped(queue) == ["b", "c", "d", "a"]


def test_a_call_whose_tool_is_at_its_limit_lets_others_pass() -> None:
    queue = ReadyQueue()
    first = call("first", 9.0, ONE)
    queue.push(first)
    queue.push(call("second", 8.0, ONE))
    queue.push(call("other", 1.0, FREE))
    assert popped(queue) == ["first", "other"]
    assert not queue
    queue.release(first)
    assert popped(queue) == ["second"]


def test_new_ranks_count_for_calls_that_wait_for_their_tool_too() -> None:
    queue = ReadyQueue()
    busy, low, high = call("busy", 9.0, ONE), call("low", 5.0, ONE), call("high", 1.0, ONE)
    for each in (busy, low, high):
        queue.push(each)
    assert popped(queue) == ["busy"]
    high.node.rank = 7.0
    queue.reorder()
    queue.release(busy)
    assert popped(queue) == ["high"]


def test_what_is_not_kept_never_starts() -> None:
    queue = ReadyQueue()
    busy = call("busy", 9.0, ONE)
    for each in (busy, call("aside", 5.0, ONE), call("free", 1.0, FREE), call("kept", 0.0, ONE)):
        queue.push(each)
    assert queue.pop() is busy
    assert popped(queue) == ["free"]
    queue.keep(lambda each: each.node.step.id == "kept")
    queue.release(busy)
    assert popped(queue) == ["kept"]


@given(
    ranks=st.lists(st.tuples(st.floats(0, 9), st.booleans()), max_size=30),
    limit=st.integers(1, 4),
    data=st.data(),
)
def test_every_call_starts_once_and_limits_hold(
    ranks: list[tuple[float, bool]], limit: int, data: Any
) -> None:
    limited = make_tool("limited", limit)
    queue = ReadyQueue()
    for number, (rank, free) in enumerate(ranks):
        queue.push(call(f"c{number}", rank, FREE if free else limited))
    running: list[Call] = []
    started: list[str] = []
    while queue or running:
        each = queue.pop()
        if each is None:
            running_one = running.pop(data.draw(st.integers(0, len(running) - 1)))
            queue.release(running_one)
            continue
        running.append(each)
        started.append(each.node.step.id)
        assert sum(other.node.tool is limited for other in running) <= limit
    assert sorted(started) == sorted(f"c{number}" for number in range(len(ranks)))
