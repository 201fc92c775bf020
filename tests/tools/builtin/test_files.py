"""Files: right counts, every bad input coded, and nothing outside of the workspace."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools import ToolRegistry
from treadle.tools.builtin import Workspace


async def code_of(tools: ToolRegistry, name: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await tools[name].call(arguments)
    return caught.value.code


async def test_list_files(tools: ToolRegistry) -> None:
    assert await tools["list_files"].call({"pattern": "*.txt"}) == ["a.txt", "b.txt"]
    assert await tools["list_files"].call({"pattern": "**/*.md"}) == ["docs/guide.md"]
    assert await tools["list_files"].call({"pattern": "*.md", "folder": "docs"}) == [
        "docs/guide.md"
    ]
    assert await tools["list_files"].call({"pattern": "*.{md,csv}"}) == [
        "docs/guide.md",
        "sales.csv",
    ]
    assert await tools["list_files"].call({"pattern": "[ab].t?t"}) == ["a.txt", "b.txt"]
    assert await tools["list_files"].call({"pattern": "a.txt"}) == ["a.txt"]


async def test_hidden_files_only_when_named(tools: ToolRegistry) -> None:
    assert ".hidden" not in await tools["list_files"].call({})  # type: ignore[operator]
    assert await tools["list_files"].call({"pattern": ".h*"}) == [".hidden"]


async def test_file_statistics(tools: ToolRegistry) -> None:
    first = await tools["file_statistics"].call({"path": "a.txt"})
    assert isinstance(first, dict)
    assert (first["lines"], first["words"], first["characters"], first["bytes"]) == (2, 3, 14, 14)
    second = await tools["file_statistics"].call({"path": "b.txt"})
    assert isinstance(second, dict)
    assert (second["lines"], second["words"]) == (1, 5)
    binary = await tools["file_statistics"].call({"path": "data.bin"})
    assert isinstance(binary, dict)
    assert (binary["lines"], binary["bytes"]) == (None, 30)


async def test_read_file(tools: ToolRegistry) -> None:
    assert await tools["read_file"].call({"path": "a.txt"}) == "one two\nthree\n"
    part = {"path": "a.txt", "first_line": 2, "max_lines": 1}
    assert await tools["read_file"].call(part) == "three\n"


async def test_search_files(tools: ToolRegistry) -> None:
    found = await tools["search_files"].call({"text": "todo", "pattern": "*.md"})
    assert found == [{"path": "docs/guide.md", "line": 3, "text": "TODO: write it."}]
    assert await tools["search_files"].call({"text": "todo", "ignore_case": False}) == []
    regex = {"text": r"^thr\w+$", "regex": True}
    assert [hit["path"] for hit in await tools["search_files"].call(regex)] == ["a.txt"]  # type: ignore[union-attr,index,call-overload]


async def test_bad_input_is_coded(tools: ToolRegistry, workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    assert await code_of(tools, "read_file", path="missing.txt") == "file_not_found"
    assert await code_of(tools, "read_file", path="docs") == "is_a_directory"
    assert await code_of(tools, "read_file", path="data.bin") == "binary_file"
    assert await code_of(tools, "read_file", path="pipe") == "not_a_file"
    assert await code_of(tools, "read_file", path="a\x00b") == "bad_path"
    assert await code_of(tools, "read_file", path="a.txt/b") == "file_unreadable"
    assert await code_of(tools, "read_file", path="x" * 5000) in ("bad_path", "file_unreadable")
    assert await code_of(tools, "list_files", folder="nowhere") == "file_not_found"
    assert await code_of(tools, "list_files", folder="a.txt") == "not_a_directory"
    assert await code_of(tools, "list_files", pattern="") == "bad_pattern"
    assert await code_of(tools, "list_files", pattern="{a,b}" * 20) == "bad_pattern"
    assert await code_of(tools, "search_files", text="(?=a)", regex=True) == "bad_pattern"
    assert await code_of(tools, "search_files", text="a" * 301, regex=True) == "bad_pattern"
    assert await code_of(tools, "search_files", text="(", regex=True) == "bad_pattern"


async def test_a_missing_file_suggests_close_names(tools: ToolRegistry) -> None:
    with pytest.raises(ToolError, match=r"sales\.csv"):
        await tools["read_file"].call({"path": "sale.csv"})


@pytest.mark.parametrize(
    "path",
    ["../outside.txt", "docs/../../outside.txt", "/etc/passwd", "link/outside.txt", "direct"],
)
async def test_escapes_are_refused(tools: ToolRegistry, workspace: Path, path: str) -> None:
    (workspace.parent / "outside.txt").write_text("canary", "utf-8")
    (workspace / "link").symlink_to(workspace.parent)
    (workspace / "direct").symlink_to(workspace.parent / "outside.txt")
    for name in ("read_file", "file_statistics"):
        assert await code_of(tools, name, path=path) == "path_outside_workspace"
    listed = await tools["list_files"].call({"pattern": "**/*"})
    assert isinstance(listed, list)
    assert not {"direct", "link/outside.txt"} & set(map(str, listed))


async def test_patterns_cannot_leave(tools: ToolRegistry) -> None:
    assert await code_of(tools, "list_files", pattern="../*") == "path_outside_workspace"
    assert await code_of(tools, "list_files", pattern="/etc/*") == "path_outside_workspace"
    assert await code_of(tools, "list_files", folder="..") == "path_outside_workspace"


def test_a_link_put_there_after_the_check_is_not_followed(workspace: Path) -> None:
    (workspace.parent / "outside.txt").write_text("canary", "utf-8")
    place = Workspace(workspace)
    real = place.resolve("a.txt")
    real.unlink()
    real.symlink_to(workspace.parent / "outside.txt")
    with pytest.raises(ToolError):
        place.open("a.txt")


PARTS = st.sampled_from(["..", ".", "docs", "link", "a.txt", "outside.txt", "", "/", "~", "etc"])


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(PARTS, min_size=1, max_size=6))
def test_no_path_reads_the_canary(workspace: Path, parts: list[str]) -> None:
    (workspace.parent / "outside.txt").write_text("canary", "utf-8")
    if not (workspace / "link").is_symlink():
        (workspace / "link").symlink_to(workspace.parent)
    try:
        data = Workspace(workspace).read_bytes("/".join(parts))
    except ToolError:
        return
    assert b"canary" not in data


HOSTILE_EXPRESSIONS = ["(a+)+b", "((a+))+$b", "(a|a)*b", "a*a*a*a*a*a*b"]


@pytest.mark.parametrize("expression", HOSTILE_EXPRESSIONS)
async def test_no_expression_takes_for_ever(
    tools: ToolRegistry, workspace: Path, expression: str
) -> None:
    (workspace / "as.txt").write_text("a" * 2000 + "\n", "utf-8")
    call = {"text": expression, "regex": True, "pattern": "as.txt"}
    assert await tools["search_files"].call(call) == []


async def test_no_file_pattern_takes_for_ever(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / ("a" * 200)).write_text("", "utf-8")
    assert await tools["list_files"].call({"pattern": "*a" * 40 + "*b"}) == []
    assert await tools["list_files"].call({"pattern": "**/" * 60 + "*z*z"}) == []


async def test_a_link_to_itself_is_no_file(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "loop").symlink_to("loop")
    listed = await tools["list_files"].call({})
    assert isinstance(listed, list)
    assert "a.txt" in listed
    assert "loop" not in listed
    assert await code_of(tools, "read_file", path="loop") == "bad_path"


async def test_folders_in_patterns(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "docs" / "deep" / "er").mkdir(parents=True)
    (workspace / "docs" / "deep" / "er" / "x.md").write_text("", "utf-8")
    for pattern in ("docs/**", "docs/**/*.md", "docs/**.md", "**/*.md", "*.md", "./docs/**/*.md"):
        assert await tools["list_files"].call({"pattern": pattern}) == [
            "docs/deep/er/x.md",
            "docs/guide.md",
        ], pattern
    assert await tools["list_files"].call({"pattern": "docs/*.md"}) == ["docs/guide.md"]
    assert await tools["list_files"].call({"pattern": "docs/*/*/x.*"}) == ["docs/deep/er/x.md"]


async def test_lines_end_at_newlines_only(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "odd.txt").write_text("a\x0cb\u2028c\nsecond\n\nlast", "utf-8")
    counts = await tools["file_statistics"].call({"path": "odd.txt"})
    assert isinstance(counts, dict)
    assert counts["lines"] == 4
    part = {"path": "odd.txt", "first_line": 2, "max_lines": 2}
    assert await tools["read_file"].call(part) == "second\n\n"
    rest = {"path": "odd.txt", "first_line": 4, "max_lines": 9}
    assert await tools["read_file"].call(rest) == "last"
    found = await tools["search_files"].call({"text": "SECOND", "pattern": "odd.txt"})
    assert found == [{"path": "odd.txt", "line": 2, "text": "second"}]


async def test_only_what_names_hidden_files_finds_them(
    tools: ToolRegistry, workspace: Path
) -> None:
    (workspace / ".git").mkdir()
    (workspace / ".git" / "config.md").write_text("x", "utf-8")
    for pattern in ("./**/*", "{.none,**/*}", "**/*.md", "*", "?hidden", "[.]hidden"):
        found = await tools["list_files"].call({"pattern": pattern})
        assert isinstance(found, list)
        assert not [name for name in found if str(name).startswith(".")], pattern
    assert await tools["list_files"].call({"pattern": ".git/*.md"}) == [".git/config.md"]
    assert await code_of(tools, "list_files", pattern="[z-a].md") == "bad_pattern"


async def test_long_lines_are_searched_to_their_end(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "long.txt").write_text("x" * 10_000 + " needle\n", "utf-8")
    for options in ({}, {"regex": True}):
        found = await tools["search_files"].call(
            {"text": "needle", "pattern": "long.txt", **options}
        )
        assert isinstance(found, list)
        assert len(found) == 1
