from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from treadle.cli.chat.completer import ChatCompleter
from treadle.tools import Tool, ToolRegistry, tool


@tool
def read_bell(name: str) -> str:
    """Read a bell."""
    return name


@pytest.fixture
def completer(tmp_path: Path) -> ChatCompleter:
    root = tmp_path / "work"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "docs" / "notes.md").touch()
    (root / "data.csv").touch()
    (root / ".hidden").touch()
    (root / "bad\x1bname").touch()
    (tmp_path / "outside.txt").touch()
    (root / "link").symlink_to(tmp_path)
    bell: Tool = read_bell
    return ChatCompleter(lambda: root.resolve(), lambda: ToolRegistry([bell]))


def completed(completer: ChatCompleter, text: str, *, tab: bool = True) -> list[str]:
    """The whole texts that the completions of `text` give."""
    event = CompleteEvent(completion_requested=tab, text_inserted=not tab)
    found = completer.get_completions(Document(text), event)
    return [text[: len(text) + each.start_position] + each.text for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/res", ["/reset"]),
        ("/q", ["/quit"]),
        ("/tools re", ["/tools read_bell"]),
        ("/tools x", []),
        ("/model off", ["/model offline"]),
        ("/usage d", []),
        ("count da", ["count data.csv"]),
        ("count docs/", ["count docs/deep/", "count docs/notes.md"]),
        ("/plan read docs/no", ["/plan read docs/notes.md"]),
        ('show "docs/no', ['show "docs/notes.md']),
        (".h", [".hidden"]),
        ("b", []),
        ("", []),
        ("count ", []),
        ("docs/nowhere/x", []),
        ("../out", []),
        ("docs/../../out", []),
        ("link/out", []),
        ("read /etc/pass", []),
        ("\x00", []),
        ("docs/\x00/a", []),
        ("docs/\ud800/a", []),
        ("/save \x00/a", []),
        ("/save ~nobody-of-that-name/a", []),
    ],
)
def test_completions(completer: ChatCompleter, text: str, expected: list[str]) -> None:
    assert completed(completer, text) == expected


def test_all_commands_are_offered_after_a_slash(completer: ChatCompleter) -> None:
    assert {"/help", "/save", "/exit"} <= set(completed(completer, "/", tab=False))


def test_plain_words_open_no_menu_while_typing(completer: ChatCompleter) -> None:
    assert completed(completer, "count da", tab=False) == []
    assert completed(completer, "count docs/n", tab=False) == ["count docs/notes.md"]


def test_files_of_the_disk_are_offered_for_save(completer: ChatCompleter, tmp_path: Path) -> None:
    assert completed(completer, f"/save {tmp_path}/out") == [f"/save {tmp_path}/outside.txt"]
