"""`treadle sim` in real processes."""

import gzip
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Outcome

Treadle = Callable[..., Outcome]

SMALL = ("--programs", "6", "--pool-tokens", "150000", "--concurrency", "4")


def test_the_object_has_the_promised_shape(treadle: Treadle) -> None:
    outcome = treadle("sim", *SMALL, "--policy", "continuum,vllm", "--seed", "3", "--json")
    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert set(document) == {"policies", "bounds"}
    assert list(document["policies"]) == ["continuum", "vllm"]
    for result in document["policies"].values():
        assert set(result["jct"]) == {"mean", "p50", "p95", "p99"}
        assert {"makespan", "recomputed_prefill_tokens", "hit_rate"} <= set(result)
        assert result["jct"]["mean"] >= document["bounds"]["jct_mean"] > 0
    assert isinstance(document["bounds"]["recomputed_prefill_tokens"], int)
    assert (
        treadle("sim", *SMALL, "--policy", "continuum,vllm", "--seed", "3", "--json").out
        == outcome.out
    )


def test_every_policy_runs_and_is_in_the_table(treadle: Treadle) -> None:
    names = "vllm,continuum-preview,continuum,autellix,infercept,thunderagent,treadle,treadle+plan,treadle-router,oracle"
    outcome = treadle("sim", "--programs", "3", "--policy", names, "--programs-per-second", "0.1")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()] == [
        "policy",
        *names.split(","),
        "bound",
    ]
    assert outcome.err == ""


def test_a_trace_is_written_read_and_plotted(treadle: Treadle, place: Path) -> None:
    written = treadle("sim", *SMALL, "--policy", "vllm", "--write-trace", "t.jsonl.gz", "--json")
    assert gzip.decompress((place / "t.jsonl.gz").read_bytes()).count(b"\n") == 6
    read = treadle(
        "sim", "--trace", "t.jsonl.gz", *SMALL[2:], "--policy", "vllm", "--plot", "p.html", "--json"
    )
    assert json.loads(read.out) == json.loads(written.out)
    assert "<svg" in (place / "p.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--policy", "nobody"), "unknown_policy"),
        (("--policy", "vllm,,treadle"), "bad_workload"),
        (("--policy", "vllm,vllm"), "bad_workload"),
        (("--seed", "x"), "bad_workload"),
        (("--engine", "slow"), "bad_workload"),
        (("--programs", "0"), "bad_workload"),
        (("--programs", "3", "--trace", "t"), "bad_workload"),
        (("--concurrency", "0"), "bad_workload"),
        (("--programs-per-second", "nan"), "bad_workload"),
        (("--programs-per-second", "-1"), "bad_workload"),
        (("--programs-per-second", "1", "--concurrency", "2"), "bad_workload"),
        (("--cpu-tier-gb", "-1"), "bad_hardware"),
        (("--cpu-tier-gb", "inf"), "bad_hardware"),
        (("--cpu-tier-gb", "1e300"), "bad_hardware"),
        (("--kv-bytes", "0"), "bad_hardware"),
        (("--flops", "nan"), "bad_hardware"),
        (("--step-tokens", "0"), "bad_hardware"),
        (("--pool-tokens", "20000", "--programs", "5"), "pool_too_small"),
        (("--trace", "missing.jsonl"), "trace_unreadable"),
        (("--trace", "."), "trace_unreadable"),
        (("--plot", "p.pdf"), "bad_plot"),
        (("--plot", "no/p.html"), "bad_plot"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_code(
    treadle: Treadle, arguments: tuple[str, ...], code: str
) -> None:
    outcome = treadle("sim", *arguments, "--json")
    assert outcome.code == 2
    assert json.loads(outcome.out)["error"]["code"] == code
    assert outcome.err.startswith(f"error: {code}: ")
    assert "Traceback" not in outcome.err


def test_more_at_once_than_there_are_is_all_of_them(treadle: Treadle) -> None:
    several = ("sim", "--programs", "3", "--policy", "vllm", "--json", "--concurrency")
    assert treadle(*several, f"{10**30}").out == treadle(*several, "3").out


def test_a_broken_trace_is_named_by_its_line(treadle: Treadle, place: Path) -> None:
    (place / "t.jsonl").write_text('{"program": "a", "turns": []}\n')
    outcome = treadle("sim", "--trace", "t.jsonl")
    assert outcome.code == 2
    assert "error: bad_trace: t.jsonl, line 1: turns" in outcome.err


def test_ctrl_c_ends_it(place: Path, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "treadle", "sim", "--programs", "3000", "--write-trace", "t",
         "--json"],
        cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (place / "t").exists():
            assert time.monotonic() < deadline, "it never came so far"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert b"Traceback" not in err
