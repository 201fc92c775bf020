import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from treadle.cli.chat.screen import TerminalScreen
from treadle.cli.chat.turn_view import LiveTurn
from treadle.core.errors import ErrorInfo
from treadle.core.events import AnswerDelta

CONTROLS = [chr(code) for code in range(32) if chr(code) not in "\n\t"] + ["\x7f", "\x9b", "\u202e"]


def terminal(width: int = 60) -> tuple[TerminalScreen, io.StringIO]:
    file = io.StringIO()
    return TerminalScreen(Console(file=file, width=width, markup=False, highlight=False)), file


@given(code=st.text(max_size=30), message=st.text(max_size=2_000), width=st.integers(20, 200))
def test_an_error_takes_three_lines_at_most(code: str, message: str, width: int) -> None:
    screen, file = terminal(width)
    screen.error(ErrorInfo(code, message))
    shown = file.getvalue()
    assert shown.count("\n") <= 3
    assert not any(control in shown for control in CONTROLS)


@given(st.text())
def test_nothing_that_is_said_commands_the_terminal(text: str) -> None:
    screen, file = terminal()
    for write in (screen.say, screen.note, screen.rows, screen.piece):
        write(text)
    assert not any(control in file.getvalue() for control in CONTROLS)


def test_markup_is_text() -> None:
    screen, file = terminal()
    screen.say("[red]x[/red] [/nope] :smile:")
    screen.note("[bold]y[/bold]")
    assert file.getvalue() == "[red]x[/red] [/nope] :smile:\n[bold]y[/bold]\n"


def test_rows_are_cut_and_answers_are_not() -> None:
    screen, file = terminal(20)
    screen.rows("short\n" + "x" * 50)
    screen.say("y" * 50)
    assert file.getvalue() == f"short\n{'x' * 19}…\n{'y' * 50}\n"


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["one\r", "\ntwo"], "one\ntwo\n"),
        (["one\n"], "one\n"),
        (["a\r", "b\r"], "a\\x0db\\x0d\n"),
        (["", "a", ""], "a\n"),
    ],
)
def test_an_answer_in_pieces(pieces: list[str], shown: str) -> None:
    screen, file = terminal()
    with LiveTurn(screen) as view:
        for piece in pieces:
            view.take(AnswerDelta(text=piece))
    assert file.getvalue().endswith(shown)
    assert view.streamed == "".join(pieces)
