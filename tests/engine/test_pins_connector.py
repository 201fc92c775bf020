# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""KV held by the connector alone, under vLLM's own scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.scheduler_harness import (
    Bench,
    HoldingPolicy,
    bench,
    call,
    check_blocks,
    model_folder,
    text,
)

from treadle.serving.vllm_plugin.program_desk import ProgramDesk


@pytest.fixture(params=[False, True], ids=["synchronous", "asynchronous"])
def side(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return bench(
        model_folder(tmp_path),
        stock=True,
        connector="holding",
        blocks=65,
        asynchronous=request.param,
    )


def desk(side: Bench) -> ProgramDesk:
    found: ProgramDesk = side.scheduler.connector.desk
    return found


def policy(side: Bench) -> HoldingPolicy:
    found = desk(side).policy
    assert isinstance(found, HoldingPolicy)
    return found


def test_the_next_call_finds_what_was_held(side: Bench) -> None:
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("filler", text(2, 800), output=2))
    side.run()
    side.add(call("b", first + text(3, 40), program="P"))
    side.run()
    check_blocks(side.scheduler)
    assert policy(side).started_with["b"] == 160
    assert desk(side).counters().pin_hits == 1


def test_an_oversized_call_opens_the_valve(side: Bench) -> None:
    for n in range(5):
        side.add(call(f"a{n}", text(n, 160), program=f"P{n}"))
        side.run()
    side.add(call("big", text(50, 600), output=100))
    side.run()
    assert "big" in side.finished
    assert desk(side).counters().pressure_releases >= 3
    check_blocks(side.scheduler)


def test_the_prefix_cache_can_be_reset(side: Bench) -> None:
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    assert desk(side).counters().held == 1
    assert side.scheduler.reset_prefix_cache(reset_connector="holding")
    assert desk(side).counters().held == 0
    check_blocks(side.scheduler)


def test_preempted_calls_are_told_and_start_again(side: Bench) -> None:
    for n in range(3):
        side.add(call(f"r{n}", text(n, 300), program=f"P{n}", output=80))
    side.run()
    told = policy(side).told
    assert any(what == "preempted" for what, _ in told)
    for n in range(3):
        mine = [what for what, name in told if name == f"r{n}"]
        again = ["preempted", "started"] * mine.count("preempted")
        assert mine == ["arrived", "started", *again, "finished"]
    check_blocks(side.scheduler)
