# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""KV held between the calls of a program, on vLLM's real scheduler and block pool."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.scheduler_harness import (
    BLOCK,
    Bench,
    HoldingPolicy,
    RequestStatus,
    bench,
    call,
    check_blocks,
    full_attention,
    mamba,
    model_folder,
    sliding_window,
    text,
)

from treadle.serving.vllm_plugin import ProgramControl, ProgramCounters
from treadle.serving.vllm_plugin.settings import EngineSettings


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


def counters(side: Bench) -> ProgramCounters:
    control = side.scheduler
    assert isinstance(control, ProgramControl)
    return control.program_counters()


def policy(side: Bench) -> HoldingPolicy:
    found = side.scheduler.program_policy
    assert isinstance(found, HoldingPolicy)
    return found


def fill(side: Bench, tokens: int = 900, name: str = "filler") -> None:
    """A call of nobody's that takes most of the pool, so that what is not held is evicted."""
    side.add(call(name, text(len(name) + 77, tokens), output=2))
    side.run()


@pytest.mark.parametrize("asynchronous", [False, True], ids=["synchronous", "asynchronous"])
def test_the_next_call_finds_what_was_held(model: str, asynchronous: bool) -> None:
    side = bench(model, blocks=64, asynchronous=asynchronous)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    assert counters(side).pinned_blocks == 10
    fill(side, 800)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    check_blocks(side.scheduler)
    assert policy(side).started_with["b"] == 160
    seen = counters(side)
    assert (seen.pins, seen.pin_hits, seen.saved_prefill_tokens) == (2, 1, 160)
    assert seen.held == 1
    assert seen.pinned_blocks == 200 // BLOCK


def test_without_a_hold_the_same_is_lost(model: str) -> None:
    side = bench(model, blocks=64, program_policy=HoldingPolicy(seconds=-1))
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    fill(side)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    assert policy(side).started_with["b"] < 160
    assert counters(side).pins == 0


def test_a_context_that_changed_matches_in_part(model: str) -> None:
    side = bench(model)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("b", first[:64] + text(3, 96), program="P", output=1))
    side.run()
    assert counters(side).pin_hits == 1
    assert policy(side).started_with["b"] == 64
    side.add(call("c", text(9, 64), program="P", output=1))
    side.run()
    assert counters(side).pin_misses == 1
    check_blocks(side.scheduler)


def test_branches_share_a_prefix_and_let_go_one_by_one(model: str) -> None:
    side = bench(model)
    trunk = text(1, 96)
    for branch in ("left", "right"):
        side.add(call(branch, trunk + text(len(branch), 48), program="P", branch=branch))
    side.run()
    assert counters(side).held == 2
    shared = counters(side).pinned_blocks
    assert shared < 2 * (144 // BLOCK)
    # The left branch goes on, and ends: the right one keeps the trunk.
    side.add(
        call(
            "left2", trunk + text(4, 64), program="P", branch="left", extra={"treadle_last_call": 1}
        )
    )
    side.run()
    check_blocks(side.scheduler)
    fill(side)
    side.add(call("right2", trunk + text(5, 48) + text(6, 16), program="P", branch="right"))
    side.run()
    assert policy(side).started_with["right2"] >= 96
    check_blocks(side.scheduler)


def test_calls_of_one_branch_side_by_side_keep_both_holds(model: str) -> None:
    side = bench(model)
    one, two = text(1, 96), text(2, 96)
    side.add(call("a", one, session="S"))
    side.add(call("b", two, session="S"))
    side.run()
    assert counters(side).held == 2
    side.add(call("c", two + text(3, 32), session="S"))
    side.step()
    assert counters(side).held == 1
    assert policy(side).started_with["c"] == 96
    side.add(call("d", one + text(3, 32), session="S"))
    side.run()
    assert policy(side).started_with["d"] == 96
    check_blocks(side.scheduler)


def test_holds_run_out(model: str) -> None:
    side = bench(model, program_policy=HoldingPolicy(seconds=5))
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    side.step()  # what finished is told to the model runner
    side.clock.now += 4.9
    assert not side.scheduler.has_requests()
    assert counters(side).held == 1
    side.clock.now += 0.2
    # An idle engine: its loop asks for work, and does one step that reports the usage.
    assert side.scheduler.has_requests()
    assert side.scheduler.get_kv_cache_usage() == 0
    side.step()
    assert not side.scheduler.has_requests()
    assert counters(side).expiries == 1
    check_blocks(side.scheduler)


def test_a_hold_does_not_run_out_while_its_next_call_waits(model: str) -> None:
    side = bench(model, program_policy=HoldingPolicy(seconds=5), max_running=1)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("other", text(2, 100), output=30))
    side.step()
    side.add(call("b", first + text(3, 16), program="P"))
    side.clock.now += 100
    side.step()
    assert counters(side).held == 1
    side.run()
    assert policy(side).started_with["b"] == 160
    side.add(call("other2", text(2, 100), output=30))
    side.step()
    side.add(call("c", first + text(3, 16), program="P"))
    side.clock.now += 100
    side.scheduler.finish_requests("c", RequestStatus.FINISHED_ABORTED)
    assert counters(side).held == 0, "its client is gone, and its time was up"
    check_blocks(side.scheduler)


def test_counters_do_not_lie_while_nothing_happens(model: str) -> None:
    side = bench(model, program_policy=HoldingPolicy(seconds=5))
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    side.clock.now += 6
    assert counters(side).pinned_blocks == 0


def test_a_program_that_ends_frees_its_blocks_at_once(model: str) -> None:
    side = bench(model)
    for branch in ("left", "right"):
        side.add(call(branch, text(len(branch), 96), program="P", branch=branch))
    side.add(call("other", text(7, 96), program="Q"))
    side.run()
    assert side.scheduler.end_program("P") == 12
    assert side.scheduler.end_program("P") == 0
    assert side.scheduler.end_program("nobody") == 0
    assert policy(side).told.count(("ended", "P")) == 1
    assert counters(side).held == 1
    check_blocks(side.scheduler)


def test_a_program_ended_while_a_call_runs_is_not_held(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96), program="P", output=8))
    side.step()
    side.scheduler.end_program("P")
    side.run()
    assert policy(side).outcomes["a"].last
    assert counters(side).held == 0
    assert counters(side).live_programs == 0
    side.add(call("b", text(1, 96), program="P"))
    side.run()
    assert counters(side).held == 1, "it came back"


def test_the_last_call_ends_the_program(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96), program="P", branch="one"))
    side.run()
    side.add(call("b", text(2, 96), program="P", branch="two", extra={"treadle_last_call": 1}))
    side.run()
    assert counters(side).held == 0
    assert policy(side).told[-1] == ("ended", "P")


def test_an_aborted_call_is_not_held_and_leaves_what_was(model: str) -> None:
    side = bench(model)
    first = text(1, 96)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("b", first + text(2, 32), program="P", output=50))
    side.scheduler.finish_requests("b", RequestStatus.FINISHED_ABORTED)
    assert counters(side).held == 1, "it had not started: its client may try again"
    side.add(call("c", first + text(2, 32), program="P", output=50))
    side.step()
    side.scheduler.finish_requests("c", RequestStatus.FINISHED_ABORTED)
    side.drain()
    assert counters(side).held == 0
    assert policy(side).told.count(("aborted", "b")) == 1
    assert policy(side).told.count(("aborted", "c")) == 1
    side.step()
    check_blocks(side.scheduler)


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


def test_the_prefix_cache_can_be_reset(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96), program="P"))
    side.run()
    side.add(call("b", text(2, 96), program="Q", output=30))
    side.step()
    assert side.scheduler.reset_prefix_cache(reset_running_requests=True)
    assert counters(side).reset_releases == 1
    assert ("preempted", "b") in policy(side).told
    side.run()
    check_blocks(side.scheduler)


def test_holds_keep_to_their_share(model: str) -> None:
    side = bench(model, blocks=65, settings=EngineSettings(max_pinned_share=0.25))
    for n in range(4):
        side.add(call(f"a{n}", text(n, 96), program=f"P{n}"))
        side.run()
        check_blocks(side.scheduler)
    seen = counters(side)
    assert seen.pinned_blocks == 16
    assert seen.truncated_pins == 2
    # A part of the context is of use too: the beginning was held.
    fill(side, 700)
    side.add(call("b", text(2, 96) + text(9, 16), program="P2"))
    side.run()
    assert policy(side).started_with["b"] == 4 * BLOCK


@pytest.mark.parametrize("release", ["none", "one", "all"])
def test_an_oversized_call_opens_the_valve(model: str, release: str) -> None:
    """Nothing runs, and nothing would ever make room but holds: the youngest program first."""
    side = bench(model, blocks=65, program_policy=HoldingPolicy(release=release))
    for n in range(5):
        side.clock.now += 1
        side.add(call(f"a{n}", text(n, 160), program=f"P{n}"))
        side.run()
    assert counters(side).held == 5
    side.add(call("big", text(50, 600), output=100))
    side.run()
    check_blocks(side.scheduler)
    assert "big" in side.finished
    assert policy(side).asked_to_release[0] is True
    seen = counters(side)
    assert seen.pressure_releases >= 3
    if release == "none":
        held = {pin.hold.program_id for pin in side.scheduler.desk.holdings.pins}
        assert held == {"P0", "P1"}, "the youngest went first, and no more than was needed"


def test_a_context_that_no_longer_matches_gives_way_to_its_own_call(model: str) -> None:
    side = bench(model, blocks=33)
    side.add(call("a", text(1, 400), program="P"))
    side.run()
    side.add(call("b", text(2, 400), program="P"))
    side.run()
    assert "b" in side.finished
    check_blocks(side.scheduler)


def test_a_waiting_call_waits_where_the_policy_wants_it_to(model: str) -> None:
    side = bench(model, blocks=65)
    side.add(call("held", text(1, 500), program="P"))
    side.run()
    side.add(call("runs", text(2, 100), output=20))
    side.step()
    side.add(call("waits", text(3, 500), output=4))
    side.step()
    assert policy(side).asked_to_release == [False]
    assert side.scheduler.get_request_counts() == (1, 1)
    side.run()
    assert side.finished == ["held", "runs", "waits"]
    check_blocks(side.scheduler)


def test_a_running_call_is_not_preempted_for_a_hold(model: str) -> None:
    side = bench(model, blocks=21)
    side.add(call("a", text(1, 150), program="P"))
    side.run()
    side.add(call("b", text(2, 150), output=60))
    side.run()
    assert ("preempted", "b") not in policy(side).told
    assert counters(side).pressure_releases == 1
    check_blocks(side.scheduler)


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


def test_every_group_of_a_hybrid_model_is_held(model: str) -> None:
    side = bench(model, blocks=120, groups=[full_attention(), sliding_window()])
    first = text(1, 320)
    side.add(call("a", first, program="P"))
    side.run()
    check_blocks(side.scheduler)
    assert counters(side).pins == 1
    fill(side, 700)
    side.add(call("b", first + text(2, 16), program="P"))
    side.run()
    assert policy(side).started_with["b"] == 320
    check_blocks(side.scheduler)


def test_a_hybrid_context_is_held_whole_or_not(model: str) -> None:
    side = bench(
        model,
        blocks=120,
        groups=[full_attention(), sliding_window()],
        settings=EngineSettings(max_pinned_share=0.1),
    )
    side.add(call("a", text(1, 320), program="P"))
    side.run()
    assert counters(side).pins == 0
    assert counters(side).truncated_pins == 1


def test_states_of_mamba_layers_are_not_held(model: str) -> None:
    side = bench(model, blocks=120, groups=[full_attention(), mamba()])
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    assert counters(side).refused_pins == 1
    assert counters(side).held == 0
    check_blocks(side.scheduler)


def test_without_prefix_caching_nothing_is_held(model: str) -> None:
    side = bench(model, caching=False)
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    assert counters(side).refused_pins == 1
    check_blocks(side.scheduler)


def test_a_program_of_which_nothing_is_heard_is_given_up(model: str) -> None:
    side = bench(model, settings=EngineSettings(patience_seconds=50))
    side.add(call("a", text(1, 96), program="P"))
    side.run()
    side.clock.now += 49
    side.add(call("b", text(2, 96), program="Q"))
    side.run()
    side.clock.now += 2
    assert counters(side).abandoned_programs == 1
    assert policy(side).told[-1] == ("ended", "P")
    assert counters(side).live_programs == 1


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
