"""The chat where there is no terminal: lines in, answers out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.chat.conftest import plan, replies

from treadle.testing import ScriptedOpenAIServer

Pipe = Callable[..., subprocess.CompletedProcess[bytes]]


def test_answers_on_stdout_and_the_rest_on_stderr(pipe: Pipe) -> None:
    done = pipe("what is 2 + 3\n\nwhat is 6 * 7\n")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == ["2 + 3 = 5", "6 * 7 = 42"]
    assert "not a language model" in done.stderr.decode()
    assert "Warning" not in done.stderr.decode()


def test_commands_errors_and_the_end_of_the_input(pipe: Pipe, folder: Path) -> None:
    done = pipe("/toolz\n/plan\n/save\n/model x:y\nwhat is 1 + 1\n/save talk.json\n/save talk.json")
    assert done.returncode == 0
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("error:")]
    assert [line.split(": ")[1] for line in errors] == [
        "unknown_command",
        "no_plan_yet",
        "bad_command",
        "bad_model",
        "file_exists",
    ]
    assert "did you mean /tools?" in errors[0]
    saved = json.loads((folder / "talk.json").read_text("utf-8"))
    assert [message["role"] for message in saved["messages"]] == ["user", "assistant"]


def test_exit_ends_it_before_the_input_does(pipe: Pipe) -> None:
    done = pipe("/exit\nwhat is 2 + 3\n")
    assert (done.returncode, done.stdout) == (0, b"")


def test_bytes_that_are_no_text_cost_one_line(pipe: Pipe) -> None:
    done = pipe(b"what is \xff\nwhat is \\\n 2 + 3\n")
    assert done.returncode == 0
    assert "bad_encoding" in done.stderr.decode()
    assert done.stdout == b"2 + 3 = 5\n"
    assert "Traceback" not in done.stderr.decode()


def test_where_nobody_can_be_asked_the_answer_is_no(pipe: Pipe, folder: Path) -> None:
    with ScriptedOpenAIServer(replies(plan("ring", bell="Tom"))) as server:
        model = f"{server.base_url}#m"
        denied = pipe("ring it\n", "--model", model)
        assert not (folder / "rung").exists()
        allowed = pipe("ring it\n", "--model", model, "--yes")
    assert denied.returncode == 0
    assert "approval_denied" in denied.stderr.decode()
    assert allowed.stdout == b"Tom rang\n"
    assert (folder / "rung").read_text("utf-8") == "Tom"


def test_options_that_cannot_be_used_end_it(pipe: Pipe) -> None:
    done = pipe("what is 2 + 3\n", "--model", "nonsense")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("error: bad_model")


def test_a_model_that_is_not_there_is_an_error_of_the_turn(pipe: Pipe) -> None:
    done = pipe("hello\n/usage\n", "--model", "http://127.0.0.1:9/v1#m")
    assert done.returncode == 0
    assert "error: model_unreachable" in done.stderr.decode()
    assert b"1 model call, 0 tokens" in done.stdout


def test_ctrl_c_ends_it_with_all_that_was_to_come(
    folder: Path, environment: dict[str, str]
) -> None:
    arguments = ["chat", "--tools", "bells:TOOLS", "--model"]
    with ScriptedOpenAIServer(replies(plan("nap", seconds=600))) as server:
        with subprocess.Popen(
            [sys.executable, "-m", "treadle", *arguments, f"{server.base_url}#m"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **environment},
        ) as process:
            assert process.stdin is not None
            process.stdin.write(b"rest\nrest again\n")
            process.stdin.flush()
            deadline = time.monotonic() + 60
            while not (folder / "napping").exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, b"")
        assert b"Traceback" not in err
        assert len(server.requests) == 1
