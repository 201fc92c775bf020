"""`treadle tools made`, and `--made`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Outcome, plan_of

from treadle.tools.making import Example, MadeTool, ToolLibrary
from treadle.tools.sandbox import Sandbox

SOURCE = '''
def initials(name: str) -> str:
    """The first letters of a name."""
    return "".join(each[0] for each in name.split()){more}
'''

Run = Callable[..., Outcome]


def version(more: str = "") -> MadeTool:
    example = Example({"name": "Ada Lovelace"}, "AL")
    return MadeTool("initials", 0, SOURCE.format(more=more), (example,))


@pytest.fixture
def library(environment: dict[str, str]) -> ToolLibrary:
    """The library that the command line uses, with one tool that nobody has approved."""
    library = ToolLibrary(Path(environment["TREADLE_STATE_DIR"]) / "made_tools")
    library.add(version())
    return library


async def test_a_tool_is_looked_at_approved_used_and_revoked(
    library: ToolLibrary, treadle: Run, place: Path
) -> None:
    (row,) = treadle("tools", "made", "list", "--json").json
    assert row["tool"] == "made.initials"
    assert row["approved_version"] is None
    shown = treadle("tools", "made", "show", "made.initials")
    assert "each[0] for each in" in shown.out
    assert row["digest"] in shown.out
    assert "not approved" in shown.out
    step = {"id": "a", "tool": "made.initials", "args": {"name": "Ada Lovelace"}}
    (place / "plan.json").write_text(plan_of(step, answer="${a}"), "utf-8")
    assert "unknown_tool" in treadle("exec", "plan.json", "--made").err
    wrong = treadle("tools", "made", "approve", "initials", "--hash", "0" * 64)
    assert wrong.code == 1
    assert "made_tool_changed" in wrong.err
    right = treadle("tools", "made", "approve", "initials", "--hash", row["digest"], "--json")
    assert right.code == 0
    assert right.json["approved"] is True
    # Only where it was asked for.
    assert "unknown_tool" in treadle("exec", "plan.json").err
    assert "made.initials" in treadle("tools", "--made").out
    async with Sandbox() as sandbox:
        found = await sandbox.run("1")
    if found.status != "refused":
        done = treadle("exec", "plan.json", "--made", "--json")
        assert done.code == 0, done.err
        assert done.json["answer"] == "AL"
    assert treadle("tools", "made", "revoke", "initials").code == 0
    assert "unknown_tool" in treadle("exec", "plan.json", "--made").err


def test_an_approval_is_of_one_version(library: ToolLibrary, treadle: Run) -> None:
    first = library.get("initials")
    assert treadle("tools", "made", "approve", "initials").code == 0
    library.add(version(" + '!'"))
    (row,) = treadle("tools", "made", "list", "--json").json
    assert (row["version"], row["approved_version"]) == (2, 1)
    assert "version 1 approved" in treadle("tools", "made", "list").out
    newest = treadle("tools", "made", "show", "initials", "--json").json
    assert newest["approved"] is False
    assert newest["digest"] != first.digest
    assert treadle("tools", "made", "show", "initials", "--version", "1", "--json").json["approved"]


def test_what_is_not_there_or_was_changed_is_an_error(
    library: ToolLibrary, treadle: Run, environment: dict[str, str]
) -> None:
    for arguments in (("approve", "nobody"), ("revoke", "../initials")):
        unknown = treadle("tools", "made", *arguments)
        assert unknown.code == 2
        assert "unknown_tool" in unknown.err
    other = treadle("tools", "made", "show", "initials", "--version", "7")
    assert other.code == 2
    assert "no version 7, only 1" in other.err
    path = Path(environment["TREADLE_STATE_DIR"]) / "made_tools" / "initials" / "1.json"
    document = json.loads(path.read_text("utf-8"))
    document["tool"]["source"] += "\nevil = 1\n"
    path.write_text(json.dumps(document), "utf-8")
    damaged = treadle("tools", "made", "approve", "initials", "--json")
    assert damaged.code == 1
    assert damaged.json["error"]["code"] == "made_tool_damaged"


def test_nothing_was_made_yet(treadle: Run) -> None:
    assert treadle("tools", "made", "list", "--json").json == []
    assert treadle("tools", "made", "list").code == 0
