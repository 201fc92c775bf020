"""`treadle patch`, in processes of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Outcome, plan_of

Treadle = Callable[..., Outcome]

TOOLS = ("--tools", "mytools:TOOLS")
LATER: dict[str, Any] = {
    "add": [{"id": "later", "tool": "increase", "args": {"number": 4}}],
    "answer": "${later}",
}


@pytest.fixture
def waiting(treadle: Treadle) -> str:
    """The id of a run that waits for an approval."""
    plan = plan_of({"id": "s", "tool": "send", "args": {"to": "bob"}}, answer="${s}")
    outcome = treadle("exec", "-", *TOOLS, "--json", stdin=plan)
    assert outcome.code == 3
    return str(outcome.json["run_id"])


def test_a_patch_of_a_waiting_run_is_done_by_resume(treadle: Treadle, waiting: str) -> None:
    left = treadle("patch", waiting, "-", "--json", stdin=json.dumps({**LATER, "drop": ["s"]}))
    assert (left.code, left.json) == (0, {"run_id": waiting, "state": "left", "version": None})
    resumed = treadle("resume", waiting, "--json")
    assert (resumed.code, resumed.json["answer"]) == (0, 5)
    late = treadle("patch", waiting, "-", "--json", stdin=json.dumps(LATER))
    assert (late.code, late.json["error"]["code"]) == (1, "run_ended")


def test_a_patch_that_does_not_fit_any_more_is_shown_by_resume(
    treadle: Treadle, waiting: str
) -> None:
    for _ in range(2):
        assert treadle("patch", waiting, "-", stdin=json.dumps(LATER)).code == 0
    resumed = treadle("resume", waiting, "--yes")
    assert resumed.code == 0
    assert "a patch was refused: duplicate_id" in resumed.err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no patch", "bad_patch"),
        ('{"steps": []}', "bad_patch"),
        ('{"drop": ["s"], "drop": []}', "duplicate_key"),
        ('{"drop": ["nobody"]}', "unknown_step"),
        ('{"add": [{"id": "x", "tool": "fly"}]}', "unknown_tool"),
    ],
)
def test_what_is_no_patch_is_refused_at_once(
    treadle: Treadle, waiting: str, text: str, code: str
) -> None:
    outcome = treadle("patch", waiting, "-", "--json", stdin=text)
    assert (outcome.code, outcome.json["error"]["code"]) == (2, code)


def test_a_run_in_another_process_goes_on_with_a_patch(
    treadle: Treadle, place: Path, environment: dict[str, str]
) -> None:
    plan = plan_of({"id": "z", "tool": "nap", "args": {"seconds": 600}}, answer="${z}")
    (place / "plan.json").write_text(plan)
    (place / "patch.json").write_text(json.dumps(LATER))
    process = subprocess.Popen(
        [sys.executable, "-m", "treadle", "exec", "plan.json", *TOOLS, "--json"],
        cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (rows := treadle("runs", "--json").json):
            assert time.monotonic() < deadline, "it never came so far"
        run_id = rows[0]["run_id"]
        while not any(
            step["status"] == "running" for step in treadle("show", run_id, "--json").json["steps"]
        ):
            assert time.monotonic() < deadline, "it never came so far"
        done = treadle("patch", run_id, "patch.json", "--json")
        assert (done.code, done.json["state"], done.json["version"]) == (0, "applied", 2)
        started = treadle("patch", run_id, "-", "--json", stdin='{"drop": ["z"]}')
        assert (started.code, started.json["error"]["code"]) == (1, "step_started")
        assert treadle("cancel", run_id).code == 0
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    steps = {step["id"]: step["status"] for step in json.loads(out)["steps"]}
    assert steps == {"z": "cancelled", "later": "succeeded"}
