from __future__ import annotations

import pytest
from tests.serving.simulator.baselines.calls import call, outcome, pool

from treadle.serving.simulator.baselines import InferceptPolicy
from treadle.serving.simulator.baselines.costs import prefill_seconds
from treadle.serving.simulator.hardware import Hardware


def test_kv_is_kept_until_that_wastes_as_much_as_computing_it_again() -> None:
    hardware = Hardware()
    seconds = InferceptPolicy(hardware).pin_seconds(
        call("p"), outcome(30_000), pool(running=300_000), 0.0
    )
    again = prefill_seconds(hardware, 30_000)
    assert seconds == pytest.approx(again * (15_000 + 300_000) / 30_000)
    # For an 8B model on an H100 among other calls: well above 2 s.
    assert 8.0 < seconds < 22.0


def test_with_a_cpu_tier_the_transfer_is_what_is_saved() -> None:
    hardware = Hardware(cpu_tokens=500_000)
    seconds = InferceptPolicy(hardware).pin_seconds(
        call("p"), outcome(30_000), pool(running=300_000), 0.0
    )
    assert seconds == pytest.approx(30_000 * 131_072 / 50e9)


def test_prefill_is_in_chunks() -> None:
    hardware = Hardware()
    chunks = hardware.step_seconds(8_192, 8_192 * 4_096, 0) + hardware.step_seconds(
        1_808, 1_808 * (8_192 + 904), 8_192
    )
    assert prefill_seconds(hardware, 10_000) == pytest.approx(chunks)
