"""Exit codes, JSON and messages of every command, in real processes."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Outcome, plan_of

from treadle.testing import Fault, ScriptedOpenAIServer

Treadle = Callable[..., Outcome]
WITH_TOOLS = ("--tools", "mytools:TOOLS")


def lines(outcome: Outcome) -> list[str]:
    return [line for line in outcome.err.splitlines() if line.startswith("error")]


def test_version_and_help(treadle: Treadle) -> None:
    assert treadle("--version").out.startswith("treadle 0.")
    for command in ("run", "exec", "plan", "chat", "tools", "doctor"):
        outcome = treadle(command, "--help")
        assert outcome.code == 0
        assert "Usage" in outcome.out


def test_run_prints_the_answer_on_stdout_and_the_rest_on_stderr(treadle: Treadle) -> None:
    outcome = treadle("run", "which is longer, a.txt or b.txt?")
    assert outcome.code == 0
    assert outcome.out == "a.txt has the most lines (3), b.txt has 1.\n"
    assert "file_statistics" in outcome.err


def test_run_json_has_the_promised_fields(treadle: Treadle) -> None:
    result = treadle("run", "what is 6 * 7 and how many lines has a.txt", "--json").json
    assert list(result) == ["run_id", "status", "answer", "plan", "steps", "usage"]
    assert result["status"] == "succeeded"
    assert "42" in result["answer"]
    for step in result["steps"]:
        assert list(step) == ["id", "tool", "status", "started", "finished", "output"]
        assert step["started"] <= step["finished"]
        assert step["finished"].endswith("+00:00")
    assert result["usage"]["model_calls"] == 1


def test_a_failed_run(treadle: Treadle) -> None:
    outcome = treadle("run", "how many lines has nothing.txt", "--json")
    assert outcome.code == 1
    assert outcome.json["status"] == "failed"
    assert outcome.json["error"]["code"] == "file_not_found"
    assert outcome.json["steps"][0]["error"]["code"] == "file_not_found"


def test_the_task_from_stdin(treadle: Treadle) -> None:
    assert treadle("run", "-", stdin="what is 2 + 2\n").out == "2 + 2 = 4\n"
    outcome = treadle("run", "-", stdin=b"\xff\xfe")
    assert (outcome.code, lines(outcome)[0].split(":")[1]) == (2, " bad_encoding")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", ""), "empty_task"),
        (("run", "  \n "), "empty_task"),
        (("run", "x", "--model", "nonsense"), "bad_model"),
        (("run", "x", "--model", "openai:gpt"), "model_key_missing"),
        (("run", "x", "--tools", "mytools"), "bad_tools_option"),
        (("run", "x", "--tools", "missing:TOOLS"), "bad_tools_option"),
        (("run", "x", "--tools", "mytools:NOTHING"), "bad_tools_option"),
        (("run", "x", "--tools", "mytools:NOT_TOOLS"), "bad_tools_option"),
        (("run", "x", "--workspace", "nowhere"), "bad_workspace"),
        (("run", "x", "--max-parallel", "0"), "bad_max_parallel"),
        (("run", "x", "--allow-host", "http://x/"), "bad_allowed_host"),
        (("run", "x", "--max-steps", "-1"), "bad_budget"),
        (("exec", "missing.json"), "file_not_found"),
        (("exec", "."), "is_a_directory"),
    ],
)
def test_bad_usage(treadle: Treadle, arguments: tuple[str, ...], code: str) -> None:
    outcome = treadle(*arguments, "--json")
    assert outcome.code == 2
    document = outcome.json
    assert document["status"] == "failed"
    assert document["error"]["code"] == code
    assert document["steps"] == []
    assert len(lines(outcome)) <= 1
    assert len(outcome.err.splitlines()) <= 3


def test_bad_usage_without_json(treadle: Treadle) -> None:
    outcome = treadle("run", "x", "--model", "nonsense")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: bad_model: ")
    assert len(outcome.err.splitlines()) <= 3


def test_a_long_task(treadle: Treadle) -> None:
    outcome = treadle("run", "-", "--json", stdin="please help me " * 7_000)
    assert outcome.code == 0
    assert "offline stand-in" in outcome.json["answer"]


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (plan_of({"id": "a", "tool": "calculat", "args": {}}), "unknown_tool"),
        (plan_of({"id": "a", "tool": "calculate", "args": {"expression": [1]}}), "invalid_arguments"),
        (plan_of({"id": "a", "tool": "calculate", "args": {}}), "invalid_arguments"),
        (
            plan_of(
                {"id": "a", "tool": "calculate", "args": {"expression": "${b}"}},
                {"id": "b", "tool": "calculate", "args": {"expression": "${a}"}},
            ),
            "cycle",
        ),
        (plan_of({"id": "a", "tool": "calculate", "args": {"expression": "${z}"}}), "dangling_reference"),
        ('{"steps": []}', "empty_plan"),
        ('{"steps": [null, null]}', "bad_step"),
        ('{"steps": null}', "bad_plan"),
        ("null", "no_plan"),
        ("", "no_plan"),
        (b'{"steps": [{"id": "\xff"}]}', "plan_encoding"),
        ('{"steps": [{"id": "a", "tool": "calculate", "args": {"expression": NaN}}]}', "plan_syntax"),
        ('{"steps": [{"id": "a", "tool": "calculate", "args": {"x": Infinity}}]}', "plan_syntax"),
        ('{"steps": [{"id": "a", "tool": "calculate"', "plan_truncated"),
        (
            '{"steps": [{"id": "a", "tool": "calculate", "args": {"x": ' + "[" * 10_000 + "]" * 10_000 + "}}]}",
            "too_deep",
        ),
        (
            plan_of({"id": "a", "tool": "calculate", "args": {"expression": "1" * 1_000_000}}),
            "argument_too_large",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)  # fmt: skip
def test_bad_plans(treadle: Treadle, plan: str | bytes, code: str) -> None:
    outcome = treadle("exec", "-", "--json", stdin=plan)
    assert outcome.code == 2
    assert outcome.json["error"]["code"] == code
    assert len(outcome.err.splitlines()) <= 3


def test_exec_runs_a_plan_file(treadle: Treadle, place: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"id": "all", "tool": "increase", "args": {"number": "${item}"}, "for_each": [1, 2, 3]},
        {"id": "last", "tool": "increase", "args": {"number": "${all[-1]}"}},
    ]
    (place / "plan.json").write_text(plan_of(*steps, answer="${last}"), "utf-8")
    outcome = treadle("exec", "plan.json", *WITH_TOOLS, "--json")
    assert outcome.code == 0
    assert outcome.json["answer"] == 5


def test_an_empty_plan_with_an_answer_is_fine(treadle: Treadle) -> None:
    assert treadle("exec", "-", stdin='{"steps": [], "answer": "so be it"}').out == "so be it\n"


def test_ten_thousand_steps(treadle: Treadle) -> None:
    steps = [{"id": f"s{n}", "tool": "increase", "args": {"number": n}} for n in range(10_000)]
    outcome = treadle("exec", "-", *WITH_TOOLS, "--json", stdin=plan_of(*steps))
    assert outcome.code == 0
    assert sum(step["output"] for step in outcome.json["steps"]) == sum(range(1, 10_001))


def test_effects_wait_for_a_person(treadle: Treadle, place: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"id": "one", "tool": "increase", "args": {"number": 1}},
        {"id": "letter", "tool": "send", "args": {"to": "${one}"}},
    ]
    plan = plan_of(*steps, answer="${letter}")
    plan = plan.replace('"${one}"', '"no. ${one}"')
    outcome = treadle("exec", "-", *WITH_TOOLS, "--json", stdin=plan)
    assert outcome.code == 3
    assert outcome.json["status"] == "waiting"
    states = {step["id"]: step["status"] for step in outcome.json["steps"]}
    assert states == {"one": "succeeded", "letter": "waiting"}
    assert not (place / "sent.txt").exists()
    approved = treadle("exec", "-", *WITH_TOOLS, "--json", "--yes", stdin=plan)
    assert (approved.code, approved.json["answer"]) == (0, "sent to no. 2")
    assert (place / "sent.txt").read_text() == "no. 2\n"


def test_the_budget_refuses_the_next_call(treadle: Treadle) -> None:
    steps = [{"id": f"s{n}", "tool": "increase", "args": {"number": n}} for n in range(3)]
    outcome = treadle("exec", "-", *WITH_TOOLS, "--json", "--max-steps", "2", stdin=plan_of(*steps))
    assert outcome.code == 1
    assert outcome.json["error"]["code"] == "budget_exceeded"
    assert [step["status"] for step in outcome.json["steps"]].count("succeeded") == 2


def test_foreign_text_cannot_command_the_terminal(treadle: Treadle) -> None:
    plan = plan_of({"id": "h", "tool": "hostile", "args": {}})
    outcome = treadle("exec", "-", *WITH_TOOLS, stdin=plan)
    assert outcome.code == 1
    assert "\x1b" not in outcome.err
    assert "[bold]x[/bold]" in outcome.err


def test_json_is_utf_8_whatever_a_tool_returns(treadle: Treadle) -> None:
    plan = plan_of({"id": "o", "tool": "odd", "args": {}}, answer="${o}")
    outcome = treadle("exec", "-", *WITH_TOOLS, "--json", stdin=plan)
    assert outcome.code == 0
    assert outcome.json["answer"].startswith("half ")
    assert "\\ud800" in outcome.out
    assert treadle("exec", "-", *WITH_TOOLS, stdin=plan).code == 0


def test_an_interrupt_keeps_what_was_done(place: Path, environment: dict[str, str]) -> None:
    steps: list[dict[str, Any]] = [
        {"id": "quick", "tool": "increase", "args": {"number": 1}},
        {"id": "slow", "tool": "nap", "args": {"seconds": 600, "name": "${quick} naps"}},
        {"id": "later", "tool": "nap", "args": {"seconds": 0, "name": "${slow}"}},
    ]
    (place / "plan.json").write_text(plan_of(*steps), "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "treadle", "exec", "plan.json", *WITH_TOOLS, "--json"],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        while b"> slow" not in (line := process.stderr.readline()):
            assert line, "the run ended too early"
        process.send_signal(signal.SIGINT)
        result = json.loads(process.stdout.read())
        assert process.wait(60) == 130
    assert result["status"] == "cancelled"
    states = {step["id"]: step["status"] for step in result["steps"]}
    assert states == {"quick": "succeeded", "slow": "cancelled", "later": "cancelled"}


def test_plan_shows_the_dag_without_running(treadle: Treadle) -> None:
    task = "for every *.txt count the words"
    tree = treadle("plan", task)
    assert tree.code == 0
    assert "for each of" in tree.out
    assert treadle("plan", task, "--format", "mermaid").out.startswith("flowchart")
    assert treadle("plan", task, "--format", "dot").out.startswith("digraph")
    document = treadle("plan", task, "--format", "json").json
    assert any("for_each" in step for step in document["steps"])
    assert document == treadle("plan", task, "--json").json
    again = treadle("exec", "-", "--json", stdin=json.dumps(document))
    assert again.json["status"] == "succeeded"


def test_tools_and_doctor(treadle: Treadle) -> None:
    names = [tool["name"] for tool in treadle("tools", *WITH_TOOLS, "--json").json]
    assert {"calculate", "nap", "ask_model"} <= set(names)
    assert "irreversible" in treadle("tools", *WITH_TOOLS).out
    report = treadle("doctor", "--json").json
    assert (report["model"], report["model_reachable"]) == ("offline", True)
    assert "not" in treadle("doctor").out
    configured = treadle("doctor", "--json", TREADLE_MODEL="ollama:x", OLLAMA_HOST="127.0.0.1:1")
    assert configured.code == 1
    assert configured.json["model_from"] == "environment variable TREADLE_MODEL"
    assert configured.json["model_error"].startswith("model_unreachable")


def test_doctor_never_shows_a_key(treadle: Treadle) -> None:
    outcome = treadle("doctor", TREADLE_API_KEY="sk-very-secret", TREADLE_MODEL="offline")
    assert "api_key" in outcome.out
    assert "very-secret" not in outcome.out + outcome.err


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_unreachable_model(treadle: Treadle) -> None:
    model = f"http://127.0.0.1:{closed_port()}/v1#m"
    outcome = treadle("run", "x", "--model", model, "--json")
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "model_unreachable")


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        (["I would rather talk about the weather."] * 3, "no_plan"),
        ([""] * 3, "no_plan"),
        ([Fault.status(401, '{"error": {"message": "bad key"}}')], "model_bad_key"),
        ([Fault.endless()] * 3, "model_timeout no_plan"),
        ([Fault.silence()], "model_timeout"),
        ([Fault.malformed()] * 3, "model_malformed_reply"),
        (['{"steps": [{"id": "a", "tool": "calculate"'] * 3, "plan_truncated"),
        ([{"steps": [{"id": "a", "tool": "fly", "args": {}}]}] * 3, "unknown_tool"),
    ],
    ids=["prose", "nothing", "wrong key", "endless", "silent", "malformed", "cut", "unknown tool"],
)
def test_models_that_misbehave(treadle: Treadle, replies: list[Any], code: str) -> None:
    with ScriptedOpenAIServer(replies) as server:
        model = f"{server.base_url}#m"
        # Short only where it is what the test waits for.
        limit = "2" if "model_timeout" in code else "30"
        outcome = treadle("run", "x", "--model", model, "--json", TREADLE_MODEL_TIMEOUT=limit)
    assert outcome.code == 1
    assert outcome.json["error"]["code"] in code.split()
    assert outcome.json["status"] == "failed"
    assert len(lines(outcome)) <= 1


def test_a_real_server_plans(treadle: Treadle) -> None:
    plan = {"steps": [{"id": "n", "tool": "increase", "args": {"number": 41}}], "answer": "${n}"}
    with ScriptedOpenAIServer([plan]) as server:
        outcome = treadle("run", "x", "--model", f"{server.base_url}#m", *WITH_TOOLS, "--json")
        body: Any = server.requests[0].body
    assert outcome.json["answer"] == 42
    assert body["response_format"]["json_schema"]["name"] == "plan"
