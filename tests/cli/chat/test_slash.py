import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.chat.slash import COMMANDS, SlashCall, parse_entry
from treadle.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("/help", "help", ""),
        ("  /HELP  ", "help", ""),
        ("/quit", "exit", ""),
        ("/plan", "plan", ""),
        ("/plan  count the\nwords ", "plan", "count the\nwords"),
        ("/save my talk.md", "save", "my talk.md"),
        ("/model\toffline", "model", "offline"),
    ],
)
def test_commands(text: str, name: str, argument: str) -> None:
    call = parse_entry(text)
    assert isinstance(call, SlashCall)
    assert (call.command.name, call.argument) == (name, argument)


@pytest.mark.parametrize("text", ["", "  \n", "what is 2/3", "/etc/hosts", "//", "/plan/it"])
def test_everything_else_is_a_task(text: str) -> None:
    assert parse_entry(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "code", "advice"),
    [
        ("/toolz", "unknown_command", "did you mean /tools?"),
        ("/quti", "unknown_command", "did you mean /quit?"),
        ("/xyzzy", "unknown_command", "/help lists them"),
        ("/", "unknown_command", "/help lists them"),
        ("/save", "bad_command", "write /save FILE"),
        ("/usage please", "bad_command", "/usage takes nothing after it"),
    ],
)
def test_mistakes_say_what_to_do(text: str, code: str, advice: str) -> None:
    with pytest.raises(InputError) as failure:
        parse_entry(text)
    assert failure.value.code == code
    assert advice in failure.value.message


@given(st.text())
def test_any_text_is_a_command_a_task_or_a_coded_error(text: str) -> None:
    try:
        entry = parse_entry(text)
    except InputError as error:
        assert error.code in ("unknown_command", "bad_command")
    else:
        assert isinstance(entry, SlashCall) or entry == text.strip()


def test_every_command_is_carried_out_somewhere() -> None:
    from treadle.cli.chat.commands import ACTS

    assert set(ACTS) == {command.name for command in COMMANDS}
