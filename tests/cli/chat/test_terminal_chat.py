"""The chat as a person sees it, on a real pseudo-terminal."""

import signal
from pathlib import Path

from tests.cli.chat.conftest import Open, plan, replies

from treadle.testing import ScriptedOpenAIServer


def spec(server: ScriptedOpenAIServer) -> str:
    return f"{server.base_url}#m"


def test_a_task_is_answered_below_its_dag(chat: Open) -> None:
    terminal = chat()
    terminal.ready()
    assert "offline (argument)" in terminal.lines[0]
    assert "not a language model" in terminal.text
    terminal.enter("what is 17 * 23")
    terminal.ready(2)
    assert "1/1 steps" in terminal.text
    assert "✓ calc" in terminal.text
    assert terminal.lines[-2].strip() == "17 * 23 = 391"
    assert "Ctrl-C stops" not in terminal.text
    terminal.send("\x04")
    assert terminal.exit_code() == 0


def test_ctrl_c_stops_the_run_and_not_the_session(chat: Open, folder: Path) -> None:
    steps = (
        '{"steps": [{"id": "quick", "tool": "hostile", "args": {}}, '
        '{"id": "slow", "tool": "nap", "args": {"seconds": 600}}], "answer": "${slow}"}'
    )
    with ScriptedOpenAIServer([steps, plan("hostile", "all is well")]) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("rest for a while")
        terminal.until((folder / "napping").exists)
        terminal.shows("✓ quick")
        terminal.shows("Ctrl-C stops the run")
        terminal.send("typed meanwhile")
        terminal.send("\x03\x03")
        terminal.shows("stopped; 1 of 2 steps were done:")
        terminal.shows("quick: before\\x1b")
        terminal.ready()
        assert "typed meanwhile" not in terminal.text
        terminal.enter("and now?")
        terminal.shows("all is well")
        terminal.ready()
        terminal.send("\x04")
        assert terminal.exit_code() == 0


def test_ctrl_c_stops_planning(chat: Open) -> None:
    long_winded = plan("hostile", "x" * 4000)
    with ScriptedOpenAIServer(lambda request: long_winded, tokens_per_second=20) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("/plan something")
        terminal.shows("planning…")
        terminal.until(lambda: bool(server.requests))
        terminal.send("\x03")
        terminal.shows("error: cancelled")
        terminal.ready()
        terminal.enter("something")
        terminal.until(lambda: len(server.requests) > 1)
        terminal.send("\x03")
        terminal.shows("stopped")
        terminal.ready()


def test_keys_at_the_prompt(chat: Open) -> None:
    terminal = chat()
    terminal.ready()
    terminal.send("half a task\x03")
    terminal.shows("Ctrl-D or /exit leaves")
    terminal.ready()
    terminal.send("/us\t\r")
    terminal.shows("0 model calls, 0 tokens")
    terminal.ready()
    terminal.send("/tools na\t\r")
    terminal.shows("seconds: number")
    terminal.ready()
    terminal.send("how many words are in docs/no\t")
    terminal.shows("docs/notes.txt")
    terminal.send("\r")
    terminal.shows("steps")
    terminal.ready()
    assert "docs/notes.txt: 3 words" in terminal.text


def test_several_lines(chat: Open) -> None:
    with ScriptedOpenAIServer(lambda request: '{"steps": [], "answer": "ok"}') as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.send("first\x1b\rsecond\\\rthird")
        terminal.shows("· third")
        terminal.send("\x1b[200~ and\nfourth\x1b[201~")
        terminal.shows("· fourth")
        terminal.send("\r")
        terminal.ready(2)
        task = "first\nsecond\nthird and\nfourth"
        assert task.replace("\n", "\\n") in str(server.requests[0].body).replace("\\\\n", "\\n")


def test_history_goes_on_in_the_next_session(chat: Open, tmp_path: Path) -> None:
    first = chat()
    first.ready()
    first.enter("what is 2 + 2")
    first.ready(2)
    first.enter("/exit")
    assert first.exit_code() == 0
    history = tmp_path / "state" / "history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert history.parent.stat().st_mode & 0o777 == 0o700
    second = chat()
    second.ready()
    second.send("\x1b[A\x1b[A")
    second.shows("> what is 2 + 2")
    second.send("\r")
    second.shows("2 + 2 = 4")
    second.ready()
    second.send("\x12what")
    second.shows("> what is 2 + 2", 2)
    second.send("\r")
    second.shows("> what is 2 + 2", 2)
    second.send("\r")
    second.shows("2 + 2 = 4", 2)


def test_a_call_that_changes_things_asks_first(chat: Open, folder: Path) -> None:
    with ScriptedOpenAIServer(replies(plan("ring", bell="Tom"))) as server:
        terminal = chat(spec(server))
        terminal.ready()
        for turn, reply in enumerate(("n\r", "\x03", "y\r"), start=1):
            terminal.enter("ring it")
            terminal.shows("Go ahead? [y/N]", turn)
            assert terminal.text.count('bell = "Tom"') == turn
            assert not (folder / "rung").exists()
            terminal.send(reply)
            terminal.ready(turn + 1)
        assert terminal.text.count("error: approval_denied") == 2
        assert "Tom rang" in terminal.text
        assert (folder / "rung").read_text() == "Tom"


def test_several_calls_are_answered_together_and_edited(chat: Open, folder: Path) -> None:
    three = (
        '{"steps": [{"id": "a", "tool": "ring", "args": {"bell": "Tom"}}, '
        '{"id": "b", "tool": "ring", "args": {"bell": "Ben"}, "on_failure": "value"}, '
        '{"id": "c", "tool": "ring", "args": {"bell": "Max"}, "after": ["a"]}], "answer": "${c}"}'
    )
    with ScriptedOpenAIServer(replies(three)) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("ring them")
        terminal.shows("Go ahead? [y/N]")
        assert "2. b: ring (irreversible)" in terminal.text
        assert "3. c: ring (irreversible)" in terminal.text
        terminal.send("e 1\r")
        terminal.shows("arguments of a as JSON:")
        terminal.send('{"bell": "Big "}\r')
        terminal.shows("Go ahead? [y/N]", 2)
        assert not (folder / "rung").exists()
        terminal.send("1 3, because Ben sleeps\r")
        terminal.shows("Max rang")
        terminal.ready(2)
        assert (folder / "rung").read_text() == "Big Max"


def test_keys_pressed_before_the_question_do_not_answer_it(chat: Open, folder: Path) -> None:
    both = (
        '{"steps": [{"id": "b", "tool": "wait_for", "args": {"file": "go"}}, '
        '{"id": "a", "tool": "ring", "args": {"bell": "Tom"}, "after": ["b"]}], "answer": "${a}"}'
    )
    with ScriptedOpenAIServer(replies(both)) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("ring it")
        terminal.until((folder / "waiting").exists)
        terminal.send("y\r")
        (folder / "go").touch()
        terminal.shows("Go ahead? [y/N]")
        terminal.send("\r")
        terminal.shows("approval_denied")
        assert not (folder / "rung").exists()


def test_a_failure_is_short_and_harmless(chat: Open) -> None:
    with ScriptedOpenAIServer(replies(plan("refuse"))) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("try it")
        terminal.shows("error: refused: ")
        terminal.ready()
        start = next(i for i, line in enumerate(terminal.lines) if line.startswith("error:"))
        assert len(terminal.lines[start:-1]) == 3
        assert "[bold]no[/bold] \\x1b[2J" in terminal.text
        assert "Traceback" not in terminal.text


def test_an_answer_cannot_command_the_terminal(chat: Open) -> None:
    with ScriptedOpenAIServer(replies(plan("hostile"))) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("show it")
        terminal.shows("before\\x1b]0;owned\\x07\\x1b[2Jafter [red]plain[/red]")
        assert terminal.screen.title == ""


def test_the_answer_is_shown_while_it_is_written(chat: Open) -> None:
    steps = '{"steps": [{"id": "a", "tool": "hostile", "args": {}}]}'
    decision = '{"action": "answer", "answer": "It begins. ' + "word " * 100 + 'It ends."}'
    # Slowly: it is seen before its end, however late a busy machine looks.
    with ScriptedOpenAIServer(replies(steps, decision), tokens_per_second=25) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("tell me")
        terminal.shows("It begins. word")
        assert "It ends." not in terminal.text
        terminal.shows("It ends.")
        terminal.ready()
        assert terminal.text.count("It begins.") == 1


def test_another_size_of_the_window(chat: Open, folder: Path) -> None:
    with ScriptedOpenAIServer([plan("nap", "done", seconds=2), plan("hostile", "fine")]) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("rest")
        terminal.until((folder / "napping").exists)
        terminal.resize(50, 12)
        terminal.shows("done")
        terminal.resize(100, 40)
        terminal.ready()
        terminal.enter("again")
        terminal.shows("fine")


def test_another_model_keeps_the_conversation(chat: Open) -> None:
    with ScriptedOpenAIServer(lambda request: '{"steps": [], "answer": "noted"}') as server:
        terminal = chat()
        terminal.ready()
        terminal.enter("what is 40 + 2")
        terminal.shows("= 42")
        terminal.ready()
        terminal.enter("/model nonsense")
        terminal.shows("error: bad_model")
        terminal.ready()
        terminal.enter(f"/model {spec(server)}")
        terminal.shows("compatible:m")
        terminal.ready()
        terminal.enter("remember that")
        terminal.shows("noted")
        assert "40 + 2 = 42" in str(server.requests[0].body)


def test_the_end_by_a_signal_leaves_the_terminal_in_order(chat: Open, folder: Path) -> None:
    with ScriptedOpenAIServer(lambda request: plan("nap", seconds=600)) as server:
        terminal = chat(spec(server))
        terminal.ready()
        terminal.enter("rest")
        terminal.until((folder / "napping").exists)
        terminal.process.kill(signal.SIGTERM)
        assert terminal.exit_code() == 128 + signal.SIGTERM
        assert "Traceback" not in terminal.text
