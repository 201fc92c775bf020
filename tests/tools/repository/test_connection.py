"""Every request ends: with an answer, or with a code that says why there is none."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.language_server import command
from treadle.tools.repository.language_server.cancellation import Cancellation
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.language_server.framing import TooLong, framed, read_message
from treadle.tools.repository.language_server.server import LanguageServer
from treadle.tools.repository.source_text import Position

FAKE = Path(__file__).with_name("fake_server.py")


def server(workspace: Workspace, how: str, limit: int = 1_000_000) -> LanguageServer:
    return LanguageServer(workspace, (sys.executable, str(FAKE), how), limit=limit)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(st.lists(_JSON, max_size=5))
def test_messages_round_trip(values: list[JsonValue]) -> None:
    stream = io.BytesIO(b"".join(framed({"value": each}) for each in values))
    assert [read_message(stream) for _ in values] == [{"value": each} for each in values]
    assert read_message(stream) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    try:
        read_message(io.BytesIO(data))
    except ToolError as error:
        assert error.code == "language_server_protocol"


def test_a_message_that_is_too_long_is_passed_over_and_the_next_is_read() -> None:
    long = framed({"jsonrpc": "2.0", "id": 7, "result": "x" * 5_000})
    stream = io.BytesIO(long + framed({"id": 8}))
    assert read_message(stream, limit=1_000) == TooLong(len(long) - long.index(b"{"), 7)
    assert read_message(stream, limit=1_000) == {"id": 8}


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("hang", "language_server_timeout"),
        ("die", "language_server_died"),
        ("huge", "language_server_too_much"),
        ("nonsense", "language_server_protocol"),
        ("no-json", "language_server_protocol"),
        ("refuse", "language_server_refused"),
    ],
)
def test_a_server_that_misbehaves_is_a_coded_error(
    workspace: Workspace, how: str, code: str
) -> None:
    with server(workspace, how) as running, pytest.raises(ToolError) as failed:
        running.request("test/any", {}, 0.5 if how == "hang" else 10)
    assert failed.value.code == code


def test_an_answer_of_another_shape_is_a_coded_error(workspace: Workspace) -> None:
    with server(workspace, "wrong-shape") as running, pytest.raises(ToolError) as failed:
        CodeQueries(running, 10).definition("app/main.py", Position(1, 1))
    assert failed.value.code == "language_server_protocol"


def test_a_server_that_died_is_started_again(workspace: Workspace) -> None:
    with server(workspace, "die") as running:
        for _ in range(2):
            with pytest.raises(ToolError):
                running.request("test/any", {}, 10)
        assert running.starts == 2


def test_after_too_long_an_answer_the_server_goes_on(workspace: Workspace) -> None:
    with server(workspace, "huge") as running:
        with pytest.raises(ToolError):
            running.request("test/any", {}, 10)
        assert running.request("test/cancelled", {}, 10) == []
        assert running.starts == 1


def test_the_server_is_told_of_what_nobody_waits_for(workspace: Workspace) -> None:
    with server(workspace, "hang") as running, ThreadPoolExecutor(1) as pool:
        running.started()
        with pytest.raises(ToolError):
            running.request("test/any", {}, 0.2)
        cancellation = Cancellation()
        waiting = pool.submit(running.request, "test/any", {}, 60, cancellation)
        while len(running.request("test/hanging", {}, 60) or []) < 2:  # type: ignore[arg-type]
            pass  # the server has not got the second question yet
        cancellation.cancel()
        with pytest.raises(ToolError) as cancelled:
            waiting.result(60)
        assert cancelled.value.code == "language_server_cancelled"
        assert len(running.request("test/cancelled", {}, 60) or []) == 2  # type: ignore[arg-type]
        with pytest.raises(ToolError):
            running.request("test/any", {}, 15, cancellation)


def test_the_server_gets_our_interpreter_and_no_unknown_methods(workspace: Workspace) -> None:
    with server(workspace, "echo") as running:
        configuration, unknown = running.request("test/asked", {}, 10)  # type: ignore[misc]
    assert configuration["result"] == [sys.executable, None]  # type: ignore[index,call-overload]
    assert unknown["error"]["code"] == -32601  # type: ignore[index,call-overload]


def test_a_program_that_is_not_there_is_a_coded_error(workspace: Workspace, tmp_path: Path) -> None:
    with (
        LanguageServer(workspace, (str(tmp_path / "nothing"),)) as running,
        pytest.raises(ToolError) as failed,
    ):
        running.started()
    assert failed.value.code == "language_server_missing"
    with (
        LanguageServer(workspace, (sys.executable, "-c", "")) as ends,
        pytest.raises(ToolError) as died,
    ):
        ends.started()
    assert died.value.code == "language_server_failed"


def test_secrets_are_not_in_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("NODE_OPTIONS", "--require /tmp/evil.js")
    assert not {"OPENAI_API_KEY", "NODE_OPTIONS"} & command.server_environment().keys()
