"""Prompts: files that ship, that can be replaced, and that are filled once."""

from pathlib import Path

import pytest

from treadle import tool
from treadle.core.errors import ConfigError
from treadle.planner import Plan
from treadle.planner.prompt import NAMES, Prompts, describe_tools
from treadle.tools import ToolRegistry


@tool
def look(topic: str) -> str:
    """Look "it" up.

    Args:
        topic: what to look for, such as {tools}.
    """
    return topic


def test_a_folder_replaces_only_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "repair.md").write_text("Mend {problems}!", "utf-8")
    prompts = Prompts(tmp_path)
    assert prompts.fill("repair", problems="it", accepted="a") == "Mend it!"
    for name in set(NAMES) - {"repair"}:
        assert prompts.fill(name) == Prompts().fill(name)


def test_a_value_is_never_filled_itself() -> None:
    text = Prompts().fill("decide", tools=describe_tools(ToolRegistry([look])))
    assert "such as {tools}." in text
    assert '\\"it\\"' in text


def test_tools_are_described_in_their_order_one_per_line() -> None:
    other = tool(name="other")(lambda: None)
    assert describe_tools(ToolRegistry([look, other])).count("\n") == 1
    assert describe_tools(ToolRegistry([other, look])).startswith('{"tool":"other"')
    assert "none" in describe_tools(ToolRegistry())


def test_the_examples_that_ship_are_plans() -> None:
    lines = Prompts().fill("examples").splitlines()
    plans = [Plan.from_json(line) for line in lines if line.startswith("{")]
    assert len(plans) >= 3
    assert any(step.for_each is not None for plan in plans for step in plan.steps)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_bytes(b"\xff")])
def test_what_cannot_be_read_is_an_error(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "plan.md")
    with pytest.raises(ConfigError, match="bad_prompts"):
        Prompts(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="bad_prompts"):
        Prompts(tmp_path / "file")
