# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""What can be held of which kind of KV cache."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.pins_bench import counters, fill, policy
from tests.engine.scheduler_harness import (
    bench,
    call,
    check_blocks,
    full_attention,
    mamba,
    model_folder,
    sliding_window,
    text,
)

from treadle.serving.vllm_plugin.settings import EngineSettings


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


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
