"""Memory in the chat: what is kept of turns, what is recalled for them, and what is forgotten."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.chat.conftest import Open, plan

from treadle.testing import ScriptedOpenAIServer

Pipe = Callable[..., subprocess.CompletedProcess[bytes]]
OFFLINE = ("--model", "offline")


def everything_in(environment: dict[str, str]) -> bytes:
    folder = Path(environment["TREADLE_STATE_DIR"])
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def thread_of(environment: dict[str, str]) -> str:
    path = Path(environment["TREADLE_STATE_DIR"]) / "treadle.db"
    connection = sqlite3.connect(path)
    (thread,) = connection.execute("select distinct thread_id from checkpoint").fetchone()
    connection.close()
    return str(thread)


def test_the_stand_in_remembers_from_one_session_to_the_next(pipe: Pipe) -> None:
    first = pipe("remember that my dog is called Rex\nwhat is my dog called?\n")
    told, asked = first.stdout.decode().splitlines()[:2]
    assert told == "I keep in mind: my dog is called Rex"
    assert asked.startswith("From memory:")
    assert "my dog is called Rex" in first.stdout.decode()
    second = pipe("what is my dog called?\nwhat do you know about me?\n")
    assert "my dog is called Rex" in second.stdout.decode()
    assert "user's dog is called Rex" in second.stdout.decode()


def test_what_is_forgotten_is_in_no_file_of_the_user(
    pipe: Pipe, environment: dict[str, str]
) -> None:
    pipe("remember that my dog is called Zebulonix\n/remember the weather was fine\n")
    assert b"Zebulonix" in everything_in(environment)
    done = pipe("forget everything about Zebulonix\n/recall weather\n", *OFFLINE, "--yes")
    assert "no trace of it is left" in done.stdout.decode()
    assert "this conversation is forgotten, too" in done.stderr.decode()
    assert "the weather was fine" in done.stdout.decode()
    assert b"Zebulonix" not in everything_in(environment)


def test_commands(pipe: Pipe) -> None:
    done = pipe(
        "/remember the door code is 4711\n/remember the door code is 4711\n/recall door code\n"
        "/recall quantum chromodynamics\n/recall\n/remember\n/forget\n/forget Bob\n"
    )
    assert done.returncode == 0
    notes = done.stderr.decode().splitlines()[2:]
    assert notes[:2] == ["remembered", "known already"]
    assert " 1. " in done.stdout.decode()
    assert "user: the door code is 4711" in done.stdout.decode()
    assert notes[2].startswith("nothing relevant")
    assert notes[3] == "the last turn was given nothing from memory"
    assert [line.split(": ")[1] for line in notes[4:]] == [
        "bad_command",
        "bad_command",
        "unconfirmed",
    ]


def test_a_planner_is_given_what_bears_on_the_turn(pipe: Pipe) -> None:
    reply = json.dumps({"steps": [], "answer": "It is Rex."})
    pipe("/remember my dog is called Rex \x1b[31m\n")
    with ScriptedOpenAIServer(lambda request: reply) as server:
        done = pipe("what is my dog called?\n/recall\n", "--model", f"{server.base_url}#m")
        (request,) = server.requests
    shown = json.dumps(request.body["messages"])
    assert "<remembered>" in shown
    assert "my dog is called Rex" in shown
    assert "from memory · /recall shows it" in done.stderr.decode()
    listed = done.stdout.decode()
    assert "It is Rex." in listed
    assert "episode" in listed
    assert "\x1b" not in listed


def test_turns_are_remembered_and_echoes_are_not(pipe: Pipe, environment: dict[str, str]) -> None:
    said = json.dumps({"steps": [], "answer": "my dog is called Rex"})
    pipe("/remember my dog is called Rex\n")
    with ScriptedOpenAIServer(lambda request: said) as server:
        pipe("tell me of my dog's name\n", "--model", f"{server.base_url}#m")
    path = Path(environment["TREADLE_STATE_DIR"]) / "treadle.db"
    connection = sqlite3.connect(path)
    rows = connection.execute("select text, origin from episode order by id").fetchall()
    connection.close()
    assert ("tell me of my dog's name", "user") in rows
    assert [origin for text, origin in rows if text == "my dog is called Rex"] == ["user"]


def test_labels_stay_with_what_an_answer_is_made_of(
    pipe: Pipe, folder: Path, environment: dict[str, str]
) -> None:
    (folder / "more.py").write_text(
        "from treadle import tool\n\n\n@tool(open_world=True)\ndef look() -> str:\n"
        '    """Look outside."""\n    return "the owl is in the barn"\n\n\nTOOLS = [look]\n',
        "utf-8",
    )
    with ScriptedOpenAIServer(lambda request: plan("look")) as server:
        pipe("look\n", "--model", f"{server.base_url}#m", "--tools", "more:TOOLS")
    path = Path(environment["TREADLE_STATE_DIR"]) / "treadle.db"
    connection = sqlite3.connect(path)
    rows = connection.execute("select taint from episode where origin = 'assistant'").fetchall()
    connection.close()
    assert len(rows) == 1
    assert "look" in rows[0][0]


def test_a_conversation_goes_on(pipe: Pipe, environment: dict[str, str]) -> None:
    pipe("what is 2 + 3\n")
    thread = thread_of(environment)
    done = pipe("/save talk.json\nwhat is 6 * 7\n", *OFFLINE, "--resume", thread)
    assert done.returncode == 0
    assert "going on with a conversation of 2 messages" in done.stderr.decode()
    unknown = pipe("what is 6 * 7\n", *OFFLINE, "--resume", "nobody")
    assert unknown.returncode == 2
    assert unknown.stderr.decode().startswith("error: unknown_thread")


def test_without_memory_nothing_is_kept(pipe: Pipe, environment: dict[str, str]) -> None:
    done = pipe("/remember Zebulonix\n/recall x\nwhat is 2 + 3\n", *OFFLINE, "--no-memory")
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("error:")]
    assert [line.split(": ")[1] for line in errors] == ["no_memory", "no_memory"]
    path = Path(environment["TREADLE_STATE_DIR"]) / "treadle.db"
    connection = sqlite3.connect(path)
    counts = [
        connection.execute(f"select count(*) from {table}").fetchone()[0]
        for table in ("episode", "concept", "checkpoint")
    ]
    connection.close()
    assert counts == [0, 0, 0]


def test_at_a_terminal_it_shows_and_asks(chat: Open) -> None:
    terminal = chat()
    terminal.ready()
    terminal.enter("/remember my dog is called Rex")
    terminal.shows("remembered")
    terminal.ready()
    terminal.enter("what is my dog called?")
    terminal.shows("from memory · /recall shows it")
    terminal.shows("From memory: ")
    terminal.ready()
    terminal.enter("/recall")
    terminal.shows("user: my dog is called Rex")
    terminal.ready()
    terminal.enter("/forget Rex")
    terminal.shows("Go ahead? [y/N]")
    terminal.send("n\r")
    terminal.shows("nothing was forgotten")
    terminal.ready()
    terminal.enter("/forget Rex")
    terminal.shows("Go ahead? [y/N]", 2)
    terminal.send("y\r")
    terminal.shows("this conversation is forgotten, too")
    terminal.ready()
    terminal.enter("/recall Rex")
    terminal.shows("nothing relevant")
    terminal.send("\x04")
    assert terminal.exit_code() == 0
