# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""What the scheduler tells its policy of calls and steps."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.pins_bench import counters, policy
from tests.engine.scheduler_harness import (
    HoldingPolicy,
    RequestStatus,
    bench,
    call,
    check_blocks,
    model_folder,
    text,
)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


def test_a_stop_string_is_an_end_and_not_an_abort(model: str) -> None:
    side = bench(model)
    request = call("a", text(1, 96), program="P", output=50)
    request.sampling_params.stop = ["Observation:"]
    side.add(request)
    side.step()
    side.step()
    side.scheduler.finish_requests("a", RequestStatus.FINISHED_ABORTED)
    assert policy(side).told[-1] == ("finished", "a")
    assert counters(side).held == 1


def test_preempted_calls_are_told_and_start_again(model: str) -> None:
    side = bench(model, blocks=21, program_policy=HoldingPolicy(seconds=-1))
    for n in range(3):
        side.add(call(f"r{n}", text(n, 60), program=f"P{n}", output=60))
    side.run()
    told = policy(side).told
    preempted = [name for what, name in told if what == "preempted"]
    assert preempted
    for n in range(3):
        mine = [what for what, name in told if name == f"r{n}"]
        again = ["preempted", "started"] * preempted.count(f"r{n}")
        assert mine == ["arrived", "started", *again, "finished"]
    check_blocks(side.scheduler)


def test_calls_of_no_program_are_told_and_never_held(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96)))
    side.run()
    assert [what for what, _ in policy(side).told] == ["arrived", "started", "finished"]
    assert counters(side).held == 0


def test_steps_are_measured(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 100), program="P", output=3))
    for _ in range(3):
        side.step(0.25)
    assert policy(side).steps == [(100, 0, 100, 0.25), (0, 1, 101, 0.25), (0, 1, 102, 0.25)]
