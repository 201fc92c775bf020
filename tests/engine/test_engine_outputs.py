# pyright: reportMissingImports=false
"""What the engine writes, with the plugin and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.holding import HOLDING, HoldingPolicy
from tests.engine.in_process import BLOCK, OURS, STOCK, started
from tests.engine.programs import Scale, draw, run
from tests.engine.stepped import CLOCK, STEP_SECONDS, SteppedScheduler

SCALE = Scale(programs=10, concurrency=8)
SEEDS = (11, 12)
PROMPT = tuple(range(10, 10 + 4 * BLOCK))


def test_greedy_outputs_are_the_same_with_the_plugin_and_without(tiny_model: Path) -> None:
    workloads = {seed: draw(seed, SCALE) for seed in SEEDS}
    with started(tiny_model, STOCK) as engine:
        stock = {
            seed: run(engine, each, hints=False, name=f"{seed}-")
            for seed, each in workloads.items()
        }
    for scheduler, hints in ((OURS, False), (SteppedScheduler, True)):
        with started(tiny_model, scheduler, policy=HOLDING) as engine:
            for seed, each in workloads.items():
                ours = run(
                    engine,
                    each,
                    hints=hints,
                    name=f"{seed}-",
                    idle=lambda: CLOCK.advance(STEP_SECONDS),
                )
                assert ours.outputs == stock[seed].outputs
                if not hints:
                    # Without hints it is vLLM's own scheduling, step by step.
                    assert ours.replies == stock[seed].replies
                else:
                    assert ours.hit_tokens > stock[seed].hit_tokens
            counts = engine.scheduler.program_counters()
            assert (counts.held, counts.live_programs) == (0, 0)
            assert engine.free_blocks == counts.pool_blocks


def test_hints_from_python_reach_the_policy(tiny_model: Path) -> None:
    from vllm.v1.kv_hints import KvHintAction, KvHintsEnvelope

    payload = {
        "program_id": "p1",
        "step_id": "s1",
        "next_tool": "shell",
        "next_tool_seconds": 1.5,
        "remaining_calls": 3,
    }
    envelope = KvHintsEnvelope("1", "m1", [KvHintAction("a1", "treadle.program", "1", payload)])
    with started(tiny_model, SteppedScheduler, policy=HOLDING) as engine:
        policy = engine.scheduler.program_policy
        assert isinstance(policy, HoldingPolicy)
        engine.reply("envelope", PROMPT, 4, kv_hints=envelope)
        engine.reply("session", PROMPT, 4, session_id="p2")
        engine.reply("nothing", PROMPT, 4)

        first, second, third = policy.calls
        assert (first.program_id, first.branch, first.remaining_calls) == ("p1", "s1", 3)
        assert (second.program_id, second.remaining_calls) == ("p2", None)
        assert third.program_id == ""
        (tool,) = policy.outcomes[0][1].tools
        assert (tool.tool, tool.expected_seconds) == ("shell", 1.5)
        assert engine.scheduler.program_counters().held == 2


def test_an_ended_program_is_freed_at_once(tiny_model: Path) -> None:
    with started(tiny_model, SteppedScheduler, policy=HOLDING) as engine:
        engine.reply("a", PROMPT, 4, session_id="p1")
        held = engine.scheduler.program_counters()
        assert engine.free_blocks == held.pool_blocks - held.pinned_blocks

        released = engine.scheduler.end_program("p1")

        assert released == held.pinned_blocks > 0
        assert engine.free_blocks == held.pool_blocks


def test_an_aborted_call_leaves_no_pin(tiny_model: Path) -> None:
    with started(tiny_model, SteppedScheduler, policy=HOLDING) as engine:
        request = engine.add("a", PROMPT, 100, session_id="p1")
        for _ in range(5):
            engine.step()
        engine.llm.llm_engine.abort_request([request], internal=True)
        engine.finish()
        counts = engine.scheduler.program_counters()
        assert (counts.pins, counts.held) == (0, 0)
        assert engine.free_blocks == counts.pool_blocks


@pytest.mark.parametrize("name", ["treadle_end_program", "treadle_program_counters"])
def test_the_engine_core_has_the_calls_that_its_server_makes(tiny_model: Path, name: str) -> None:
    with started(tiny_model, OURS, policy=HOLDING) as engine:
        core = engine.llm.llm_engine.engine_core.engine_core  # type: ignore[attr-defined]
        arguments = ("nobody",) if name == "treadle_end_program" else ()
        answer = getattr(core, name)(*arguments)
        assert answer == 0 or answer == engine.scheduler.program_counters().as_dict()
