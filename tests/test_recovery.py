"""What a killed process leaves, and how another one goes on with it: the promises of the README."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from treadle import Plan, RunError, Runtime, tool
from treadle.core.database import Database, DatabaseUrl
from treadle.core.events import DoubtSettled, StepFinished, StepStarted
from treadle.core.json_value import JsonValue
from treadle.executor import approve_all
from treadle.executor.journal import Journal
from treadle.testing import ScriptedModel

WORKER = """
import asyncio, sys
from pathlib import Path
from treadle import Plan, Runtime, tool
from treadle.executor import approve_all
from treadle.testing import ScriptedModel

FOLDER = Path(sys.argv[1])

def mark(name):
    with (FOLDER / name).open("a") as file:
        file.write("x")

@tool(effect="read")
async def look(x: int) -> int:
    mark(f"look{x}")
    return x + 1

@tool(effect="write")
async def change(x: int) -> int:
    mark(f"change{x}")
    await asyncio.sleep(float(sys.argv[2]))
    return x * 10

TOOLS = [look, change]

PLAN = Plan.from_wire({
    "steps": [
        {"id": "a", "tool": "look", "args": {"x": 1}},
        {"id": "b", "tool": "change", "args": {"x": "${a}"}},
        {"id": "c", "tool": "look", "args": {"x": "${b}"}},
    ],
    "answer": "${c}",
})

async def main():
    runtime = Runtime(model=ScriptedModel([]), tools=TOOLS, builtins=False,
                      database=sys.argv[3], approve=approve_all)
    async with runtime:
        await runtime.run(PLAN)

if __name__ == "__main__":
    asyncio.run(main())
"""

SECONDS = 60
"""Generous: means that it does not hang."""

pytestmark = pytest.mark.timeout(150)  # processes that start take their time on a busy machine


@pytest.fixture
def killed(tmp_path: Path, database_url: str) -> Path:
    """The folder of a run that was killed while `change` took effect."""
    process = start_worker(tmp_path, database_url)
    deadline = time.monotonic() + SECONDS
    # Not merely that the file is there: it is made before anything is written to it.
    while not marks(tmp_path, "change2"):
        assert time.monotonic() < deadline, "the worker never came so far"
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return tmp_path


def start_worker(folder: Path, url: str) -> subprocess.Popen[bytes]:
    (folder / "worker.py").write_text(WORKER)
    return subprocess.Popen([sys.executable, folder / "worker.py", folder, "60", url])


def marks(folder: Path, name: str) -> int:
    path = folder / name
    return len(path.read_text()) if path.exists() else 0


def worker_tools(folder: Path) -> list[object]:
    """The worker's own tools: the same code, so the same fingerprints."""
    import importlib.util

    sys.argv = ["worker.py", str(folder), "0", ""]
    spec = importlib.util.spec_from_file_location("worker", folder / "worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.TOOLS)


@pytest.fixture
def argv() -> Iterator[None]:
    before = sys.argv
    yield
    sys.argv = before


def open_runtime(folder: Path, url: str, **options: object) -> Runtime:
    return Runtime(
        model=ScriptedModel([]),
        tools=options.pop("tools", None) or worker_tools(folder),  # type: ignore[arg-type]
        builtins=False,
        database=url,
        approve=approve_all,
        **options,  # type: ignore[arg-type]
    )


async def only_run(runtime: Runtime) -> str:
    assert runtime.journal is not None
    (row,) = await runtime.journal.runs()
    return row.run_id


@pytest.mark.usefixtures("argv")
async def test_a_call_that_was_cut_short_is_in_doubt_until_a_person_decides(
    killed: Path, database_url: str
) -> None:
    async with open_runtime(killed, database_url) as runtime:
        run_id = await only_run(runtime)
        waiting = await runtime.resume(run_id)
        assert waiting.status == "waiting"
        errors = {step.id: step.error.code for step in waiting.steps if step.error is not None}
        assert errors["b"] == "in_doubt"
        assert (marks(killed, "look1"), marks(killed, "change2")) == (1, 1)
        result = await runtime.resume(run_id, redo=["b"])
    assert result.status == "succeeded"
    assert result.answer == 21
    assert (marks(killed, "look1"), marks(killed, "change2"), marks(killed, "look20")) == (1, 2, 1)
    attempts = [e.attempt for e in result.events if isinstance(e, StepStarted) and e.step_id == "b"]
    assert attempts == [1, 2]


@pytest.mark.usefixtures("argv")
async def test_done_means_that_it_is_not_run_again(killed: Path, database_url: str) -> None:
    async with open_runtime(killed, database_url) as runtime:
        result = await runtime.resume(await only_run(runtime), done=["b"])
    assert marks(killed, "change2") == 1
    assert any(isinstance(e, DoubtSettled) and e.decision == "done" for e in result.events)
    # `c` wants a number, and what `b` gave is not known.
    assert [(step.id, step.status) for step in result.steps][:2] == [
        ("a", "succeeded"),
        ("b", "succeeded"),
    ]


@pytest.mark.usefixtures("argv")
async def test_a_finished_run_gives_its_result_and_runs_nothing(
    killed: Path, database_url: str
) -> None:
    async with open_runtime(killed, database_url) as runtime:
        run_id = await only_run(runtime)
        first = await runtime.resume(run_id, redo=["b"])
        again = await runtime.resume(run_id)
    assert again.as_json() == first.as_json()
    assert marks(killed, "change2") == 2


@pytest.mark.usefixtures("argv")
async def test_changed_code_is_refused_unless_accepted(killed: Path, database_url: str) -> None:
    @tool(effect="read")
    async def look(x: int) -> int:
        return x - 1

    @tool(effect="write")
    async def change(x: int) -> int:
        return x

    async with open_runtime(killed, database_url, tools=[look, change]) as runtime:
        run_id = await only_run(runtime)
        with pytest.raises(RunError) as refused:
            await runtime.resume(run_id, redo=["b"])
        assert refused.value.code == "code_changed"
        result = await runtime.resume(run_id, redo=["b"], accept_changes=True)
    assert result.answer == 1


async def test_a_tool_that_can_tell_is_asked(database_url: str) -> None:
    happened: list[int] = []

    async def found(x: int) -> int | None:
        return 7 if happened else None

    @tool(effect="write", reconcile=found)
    async def change(x: int) -> int:
        happened.append(x)
        await asyncio.sleep(60)
        return x

    plan = Plan.from_wire({"steps": [{"id": "w", "tool": "change", "args": {"x": 3}}]})
    options = {
        "tools": [change],
        "builtins": False,
        "database": database_url,
        "approve": approve_all,
    }
    async with Runtime(model=ScriptedModel([]), **options) as runtime:  # type: ignore[arg-type]
        async with runtime.stream(plan) as run:
            async for event in run:
                if isinstance(event, StepStarted):
                    while not happened:
                        await asyncio.sleep(0)
                    run.cancel()
        assert run.result.status == "cancelled"
        result = await runtime.resume(run.run_id)
    assert result.status == "succeeded"
    assert happened == [3]
    assert result.steps[0].output == 7


async def test_an_idempotent_tool_gets_the_same_key_again(database_url: str) -> None:
    keys: list[str] = []

    @tool(effect="write", idempotent=True)
    async def pay(amount: int, idempotency_key: str) -> int:
        keys.append(idempotency_key)
        if len(keys) == 1:
            await asyncio.sleep(60)
        return amount

    plan = Plan.from_wire({"steps": [{"id": "p", "tool": "pay", "args": {"amount": 3}}]})
    options = {"tools": [pay], "builtins": False, "database": database_url, "approve": approve_all}
    async with Runtime(model=ScriptedModel([]), **options) as runtime:  # type: ignore[arg-type]
        async with runtime.stream(plan) as run:
            async for event in run:
                if isinstance(event, StepStarted):
                    while not keys:
                        await asyncio.sleep(0)
                    run.cancel()
        result = await runtime.resume(run.run_id)
    assert result.status == "succeeded"
    assert len(keys) == 2
    assert keys[0] == keys[1] == f"{run.run_id}/p/1"


async def test_results_go_to_their_steps_whatever_the_order_of_completion(
    database_url: str,
) -> None:
    """A journal that replays results by the order of calls hands them to the wrong steps here."""
    order: list[str] = []
    stop_after: list[int] = [2]

    @tool(effect="read")
    async def slow(name: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0.01)
        order.append(name)
        if len(order) > stop_after[0]:
            await asyncio.sleep(60)
        return f"result of {name}"

    names = ["one", "two", "three", "four"]
    steps: list[JsonValue] = [
        {"id": name, "tool": "slow", "args": {"name": name, "turns": 12 - 3 * index}}
        for index, name in enumerate(names)
    ]
    answer: list[JsonValue] = [f"${{{name}}}" for name in names]
    plan = Plan.from_wire({"steps": steps, "answer": answer})
    options = {"tools": [slow], "builtins": False, "database": database_url}
    async with Runtime(model=ScriptedModel([]), **options) as runtime:  # type: ignore[arg-type]
        ended = 0
        async with runtime.stream(plan) as run:
            async for event in run:
                ended += isinstance(event, StepFinished)
                if ended == 2:
                    run.cancel()
        assert order[:2] == ["four", "three"]  # not the order in which they were started
        stop_after[0] = 100
        result = await runtime.resume(run.run_id)
    assert result.answer == [f"result of {name}" for name in names]
    assert order.count("four") == order.count("three") == 1


async def test_a_run_is_held_by_one_process_at_a_time(tmp_path: Path, database_url: str) -> None:
    process = start_worker(tmp_path, database_url)
    journal = Journal(DatabaseUrl.parse(database_url))
    try:
        async with asyncio.timeout(SECONDS):
            while not marks(tmp_path, "change2"):
                assert process.poll() is None
                await asyncio.sleep(0.01)
        (row,) = await journal.runs()
        assert row.status == "running"
        with pytest.raises(RunError) as held:
            await journal.take(row.run_id)
        assert held.value.code == "run_held"
        process.kill()
        process.wait()
        (row,) = await journal.runs()
        assert row.status == "interrupted"
        recording = await journal.take(row.run_id)
        assert recording.fence == 2
    finally:
        process.kill()
        process.wait()
        await journal.close()


async def test_a_run_that_was_taken_over_writes_nothing_more(database_url: str) -> None:
    started, taken_over = asyncio.Event(), asyncio.Event()
    effects: list[int] = []

    @tool(effect="read")
    async def wait(x: int) -> int:
        started.set()
        await taken_over.wait()
        return x

    @tool(effect="write")
    async def change(x: int) -> int:
        effects.append(x)
        return x

    plan = Plan.from_wire(
        {
            "steps": [
                {"id": "a", "tool": "wait", "args": {"x": 1}},
                {"id": "b", "tool": "change", "args": {"x": "${a}"}},
            ]
        }
    )
    options = {"tools": [wait, change], "builtins": False, "approve": approve_all}
    async with Runtime(model=ScriptedModel([]), database=database_url, **options) as runtime:  # type: ignore[arg-type]
        running = asyncio.ensure_future(runtime.run(plan))
        await started.wait()
        other = Database(DatabaseUrl.parse(database_url))
        async with other.writing() as connection:
            await connection.execute(text("update run set fence = fence + 1"))
        await other.close()
        taken_over.set()
        result = await running
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "run_taken_over"
    assert effects == []


async def test_a_pause_from_another_process(database_url: str) -> None:
    heard = asyncio.Event()

    @tool(effect="read")
    async def nap(x: int) -> int:
        await heard.wait()
        return x

    chain: list[JsonValue] = [
        {"id": f"s{i}", "tool": "nap", "args": {"x": i}, "after": [f"s{i - 1}"] if i else []}
        for i in range(4)
    ]
    plan = Plan.from_wire({"steps": chain, "answer": "${s3}"})
    other = Journal(DatabaseUrl.parse(database_url))
    async with Runtime(
        model=ScriptedModel([]), tools=[nap], builtins=False, database=database_url
    ) as runtime:
        async with runtime.stream(plan) as run:
            async for event in run:
                if isinstance(event, StepStarted) and event.step_id == "s0":
                    await other.ask(run.run_id, "pause", {})
                    while await is_asked(other):
                        pass
                    heard.set()
        assert run.result.status == "paused"
        result = await runtime.resume(run.run_id)
        assert result.answer == 3
    await other.close()


async def is_asked(journal: Journal) -> bool:
    """Whether something was asked that nobody has heard yet."""
    async with journal.database.reading() as connection:
        return (await connection.execute(text("select 1 from command"))).first() is not None


def test_the_command_line_resumes(killed: Path, database_url: str) -> None:
    def treadle(*words: str) -> tuple[int, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "treadle", *words, "--json", "--db", database_url],
            cwd=killed,
            env={**os.environ, "TREADLE_STATE_DIR": str(killed / "state")},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return done.returncode, json.loads(done.stdout)

    (killed / "worker.py").write_text(WORKER.replace("sys.argv[1]", f'"{killed}"').replace(
        "float(sys.argv[2])", "0"
    ))  # fmt: skip
    _, runs = treadle("runs")
    run_id = runs[0]["run_id"]
    assert runs[0]["status"] == "interrupted"
    tools = ("--tools", "worker:TOOLS", "--accept-changes")
    code, waiting = treadle("resume", run_id, *tools, "--yes")
    assert (code, waiting["status"]) == (3, "waiting")
    code, result = treadle("resume", run_id, *tools, "--yes", "--redo", "b")
    assert (code, result["status"], result["answer"]) == (0, "succeeded", 21)
