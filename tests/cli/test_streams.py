"""stdout holds the result and nothing else, whatever stdin, stdout and stderr are."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Outcome, plan_of

Treadle = Callable[..., Outcome]
TALKING = """
import subprocess
import sys
from treadle import tool

@tool
def talk() -> str:
    '''Print, here and in another process.'''
    print("a tool says hello")
    subprocess.run([sys.executable, "-c", "print('a process says hello')"])
    return "talked"

TOOLS = [talk]
"""


@pytest.fixture
def shell(place: Path, environment: dict[str, str]) -> Callable[[str], Outcome]:
    """Runs a command of the shell in which `treadle` is our command."""

    def run(command: str) -> Outcome:
        done = subprocess.run(
            ["bash", "-c", f'treadle() {{ "{sys.executable}" -m treadle "$@"; }}\n{command}'],
            capture_output=True,
            cwd=place,
            env=environment,
            timeout=120,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert b"Exception" not in done.stderr, done.stderr.decode()
        return Outcome(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    return run


def test_what_tools_print_is_not_part_of_the_result(treadle: Treadle, place: Path) -> None:
    (place / "talking.py").write_text(TALKING, "utf-8")
    plan = plan_of({"id": "t", "tool": "talk", "args": {}}, answer="${t}")
    for more in ((), ("--json",)):
        outcome = treadle("exec", "-", "--tools", "talking:TOOLS", *more, stdin=plan)
        assert outcome.code == 0
        assert "a tool says hello" in outcome.err
        assert "a process says hello" in outcome.err
        if more:
            assert outcome.json["answer"] == "talked"
        else:
            assert outcome.out == "talked\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "x", "--nonsense"), "No such option: --nonsense"),
        (("run",), "Missing argument 'TASK'"),
        (("fly",), "No such command 'fly'"),
        (("run", "x", "--max-parallel", "many"), "Invalid value for '--max-parallel'"),
        (("plan", "x", "--format", "picture"), "Invalid value for '--format'"),
    ],
)
def test_bad_usage_is_an_error_like_others(
    treadle: Treadle, arguments: tuple[str, ...], message: str
) -> None:
    outcome = treadle(*arguments, "--json")
    assert outcome.code == 2
    document = outcome.json
    assert (document["status"], document["run_id"], document["steps"]) == ("failed", None, [])
    assert document["error"]["code"] == "bad_usage"
    assert message in document["error"]["message"]
    assert outcome.err.startswith("error: bad_usage: ")
    assert len(outcome.err.splitlines()) <= 3


def test_without_a_command_there_is_help(treadle: Treadle) -> None:
    outcome = treadle()
    assert outcome.code == 2
    assert "Usage: treadle " in outcome.err


def test_a_module_of_tools_may_do_anything(treadle: Treadle, place: Path) -> None:
    (place / "exiting.py").write_text("import sys\nsys.exit(7)\n", "utf-8")
    (place / "raising.py").write_text("def TOOLS():\n    raise KeyError('x')\n", "utf-8")
    (place / "printing.py").write_text("print('loaded')\nTOOLS = []\n", "utf-8")
    for module in ("exiting", "raising"):
        outcome = treadle("run", "what is 1 + 1", "--tools", f"{module}:TOOLS")
        assert outcome.code == 2
        assert outcome.err.startswith("error: bad_tools_option: ")
    outcome = treadle("run", "what is 1 + 1", "--tools", "printing:TOOLS", "--json")
    assert outcome.json["status"] == "succeeded"


@pytest.mark.parametrize(
    "command", ["treadle tools", "treadle run 'what is 1 + 1' --json", "treadle --version"]
)
def test_a_reader_that_goes_away(shell: Callable[[str], Outcome], command: str) -> None:
    outcome = shell(f"{command} | true")
    assert "Broken" not in outcome.err
    assert "error" not in outcome.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", ["treadle tools", "treadle run 'what is 1 + 1' --json"])
def test_a_full_disk(shell: Callable[[str], Outcome], command: str) -> None:
    outcome = shell(f"{command} > /dev/full")
    assert outcome.code == 1
    assert "error: output_unwritable: stdout: No space left on device\n" in outcome.err
    assert shell(f"{command} > /dev/full 2> /dev/full").code == 1


def test_streams_that_are_not_there(shell: Callable[[str], Outcome]) -> None:
    assert shell("treadle run 'what is 1 + 1' <&- 2>&-").out == "1 + 1 = 2\n"
    outcome = shell("treadle run 'what is 1 + 1' <&- >&-")
    assert (outcome.code, outcome.out) == (0, "")
    assert shell("treadle exec missing.json <&- 2>&- >&-").code == 2
    assert shell("treadle run - <&-").err.startswith("error: empty_task: ")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no /dev/zero")
def test_a_file_without_an_end(shell: Callable[[str], Outcome]) -> None:
    for command, code in (
        ("treadle exec /dev/zero", "file_too_large"),
        ("treadle exec - < /dev/zero", "file_too_large"),
        ("treadle run - < /dev/zero", "task_too_long"),
    ):
        outcome = shell(command)
        assert outcome.code == 2
        assert outcome.err.startswith(f"error: {code}: ")


def test_an_interrupt_before_anything_ran(place: Path, environment: dict[str, str]) -> None:
    (place / "slow.py").write_text(
        "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(60)\n", "utf-8"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "treadle", "run", "x", "--tools", "slow:TOOLS", "--json"],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == b"loading\n"
        process.send_signal(signal.SIGINT)
        document = json.loads(process.stdout.read())
        assert process.wait(60) == 130
        assert b"Traceback" not in process.stderr.read()
    assert (document["status"], document["error"]["code"]) == ("cancelled", "cancelled")
