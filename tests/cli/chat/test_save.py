import json
import os
from pathlib import Path

import pytest

from treadle.cli.chat.save import Transcript, save
from treadle.core.chat import Message
from treadle.core.errors import InputError
from treadle.planner import Plan

PLAN = Plan.from_json(
    '{"steps": [{"id": "a", "tool": "t", "args": {"x": "```"}}], "answer": "${a}"}'
)
TALK = Transcript(
    (Message("user", "zähle [bold]"), Message("assistant", "drei\n\ud800")), PLAN, "m:x"
)


def test_markdown(tmp_path: Path) -> None:
    path = save(TALK, str(tmp_path / "talk.md"))
    text = path.read_text("utf-8")
    assert "## You\n\nzähle [bold]\n\n## Treadle\n\ndrei" in text
    assert "````text\na: t(" in text


def test_json(tmp_path: Path) -> None:
    path = save(TALK, str(tmp_path / "talk.json"))
    document = json.loads(path.read_text("utf-8"))
    assert document["messages"][0] == {"role": "user", "content": "zähle [bold]"}
    assert Plan.from_wire(document["plan"]) == PLAN
    assert document["model"] == "m:x"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("there.md", "file_exists"),
        ("folder.md", "file_exists"),
        ("dangling.md", "file_exists"),
        ("nowhere/talk.md", "file_unwritable"),
        ("there.md/talk.md", "file_unwritable"),
        ("a\x00b.md", "file_unwritable"),
        ("x" * 300 + ".md", "file_unwritable"),
        ("~nobody-of-that-name/talk.md", "file_unwritable"),
        ("talk.txt", "bad_command"),
        ("talk", "bad_command"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.md").write_text("kept", "utf-8")
    Path("folder.md").mkdir()
    os.symlink("elsewhere.md", "dangling.md")
    before = sorted(os.listdir())
    with pytest.raises(InputError) as failure:
        save(TALK, name)
    assert failure.value.code == code
    assert Path("there.md").read_text("utf-8") == "kept"
    assert sorted(os.listdir()) == before


def test_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(InputError) as failure:
        save(Transcript((), None, "m"), str(tmp_path / "talk.md"))
    assert failure.value.code == "nothing_to_save"
    assert list(tmp_path.iterdir()) == []
