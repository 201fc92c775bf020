from __future__ import annotations

from dataclasses import replace

import pytest
from tests.serving.simulator.workloads import SMALL, program

from treadle.core.errors import InputError
from treadle.serving.simulator.experiment import Experiment, Workload, run_experiment
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.simulation import Load

PROGRAMS = tuple(
    program(f"p{index}", (300, 20, 0.1), (400, 30, 3.0), (600, 5, 0.0)) for index in range(8)
)
CROWDED = Experiment(Workload(PROGRAMS), Load(concurrency=6), ("continuum", "vllm"), (1, 2), SMALL)


def test_policies_come_in_the_order_asked_with_seeds_pooled() -> None:
    report = run_experiment(CROWDED)
    assert list(report.policies) == ["continuum", "vllm"]
    for result in report.policies.values():
        assert len(result.completion_seconds) == 16
        assert result.jct.mean >= report.bounds.jct_mean
        assert result.jct.p50 <= result.jct.p95 <= result.jct.p99
        assert 0.0 <= result.hit_rate <= 1.0
    document = report.as_json()
    assert list(document) == ["policies", "bounds"]


def test_processes_find_the_same() -> None:
    told: list[tuple[int, int]] = []
    alone = run_experiment(CROWDED)
    several = run_experiment(
        CROWDED, processes=2, progress=lambda done, of: told.append((done, of))
    )
    assert several == alone
    assert told == [(done, 6) for done in range(7)]


def test_generated_programs_differ_by_seed() -> None:
    workload = Workload(generated=3)
    assert workload.for_seed(1) != workload.for_seed(2)
    assert Workload(PROGRAMS).for_seed(1) is PROGRAMS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"policies": ("nobody",)}, "unknown_policy"),
        ({"policies": ()}, "bad_workload"),
        ({"policies": ("vllm", "vllm")}, "bad_workload"),
        ({"seeds": (1, 1)}, "bad_workload"),
        ({"seeds": ()}, "bad_workload"),
        ({"workload": Workload(generated=0)}, "bad_workload"),
        ({"hardware": replace(SMALL, pool_tokens=604)}, "pool_too_small"),
        ({"hardware": Hardware(flops=float("nan"))}, "bad_hardware"),
        ({"hardware": Hardware(bandwidth=0.0)}, "bad_hardware"),
        ({"hardware": Hardware(block_tokens=-16)}, "bad_hardware"),
        ({"hardware": Hardware(step_tokens=100, max_running=101)}, "bad_hardware"),
    ],
)
def test_what_cannot_be_simulated_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as found:
        run_experiment(replace(CROWDED, **changes))
    assert found.value.code == code
