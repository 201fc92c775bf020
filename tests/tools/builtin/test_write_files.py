"""Writing, moving and deleting files: whole or not at all, once per key, and undone exactly."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools import ToolRegistry
from treadle.tools.builtin import Workspace, builtin_tools
from treadle.tools.builtin.anchored import coded, make_folders, opened_folder
from treadle.tools.builtin.kept import KEEP_DAYS

Tree = dict[str, tuple[bytes, int] | None]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def tools(workspace: Path, kept: Path) -> ToolRegistry:
    return ToolRegistry(builtin_tools(workspace, kept=kept))


def tree(root: Path) -> Tree:
    """Every folder, and every file with its content and permissions."""
    return {
        str(path.relative_to(root)): None
        if path.is_dir()
        else (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
    }


async def code_of(tools: ToolRegistry, name: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await tools[name].call(arguments)
    return caught.value.code


async def undo_code(tools: ToolRegistry, name: str, result: Any, arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await tools[name].compensate(result, arguments)
    return caught.value.code


async def test_a_new_file_and_its_folders(tools: ToolRegistry, workspace: Path, kept: Path) -> None:
    assert not kept.exists()
    before = tree(workspace)
    arguments = {"path": "new/deep/a.txt", "text": "grüß\n"}
    result: Any = await tools["write_file"].call(arguments)
    assert (workspace / "new/deep/a.txt").read_bytes() == "grüß\n".encode()
    assert result["path"] == "new/deep/a.txt"
    assert result["bytes"] == 7
    assert result["replaced"] is None
    assert result["folders"] == ["new", "new/deep"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    for _ in range(2):
        await tools["write_file"].compensate(result, arguments)
        assert tree(workspace) == before


async def test_what_a_write_replaced_comes_back(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "a.txt").chmod(0o640)
    before = tree(workspace)
    first = {"path": "a.txt", "text": "other"}
    second = {"path": "a.txt", "text": " and more", "append": True}
    results = [await tools["write_file"].call(each) for each in (first, second)]
    assert (workspace / "a.txt").read_text("utf-8") == "other and more"
    assert stat.S_IMODE((workspace / "a.txt").stat().st_mode) == 0o640
    # Not in the order in which they were made.
    assert await undo_code(tools, "write_file", results[0], first) == "undo_conflict"
    await tools["write_file"].compensate(results[1], second)
    await tools["write_file"].compensate(results[0], first)
    assert tree(workspace) == before


async def test_deleting_and_moving(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "data.bin").chmod(0o700)
    before = tree(workspace)
    deleted = await tools["delete_file"].call({"path": "data.bin"})
    assert not (workspace / "data.bin").exists()
    moving = {"source": "docs/guide.md", "destination": "old/guide.md"}
    moved = await tools["move_file"].call(moving)
    assert (workspace / "old/guide.md").read_text("utf-8").startswith("# Guide")
    assert not (workspace / "docs/guide.md").exists()
    for _ in range(2):
        await tools["move_file"].compensate(moved, moving)
        await tools["delete_file"].compensate(deleted, {"path": "data.bin"})
        assert tree(workspace) == before


async def test_bad_input_is_coded(tools: ToolRegistry, workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    (workspace / "link").symlink_to("a.txt")
    before = {path.name for path in workspace.rglob("*")}
    for path, code in {
        "": "bad_path",
        "a\0b": "bad_path",
        ".": "is_a_directory",
        "docs": "is_a_directory",
        "docs/..": "is_a_directory",
        "new/": "is_a_directory",
        "pipe": "not_a_file",
        "link": "is_a_link",
        "x" * 300: "file_not_written",
        ".git/hooks/post-checkout": "path_protected",
        "docs/.GIT/config": "path_protected",
    }.items():
        assert await code_of(tools, "write_file", path=path, text="") == code, path
        deleted = await code_of(tools, "delete_file", path=path)
        assert deleted == code or (code, deleted) == ("file_not_written", "file_not_written"), path
    assert await code_of(tools, "write_file", path="a.txt/b", text="") == "not_a_directory"
    assert await code_of(tools, "write_file", path="n", text="\ud800") == "invalid_arguments"
    assert await code_of(tools, "delete_file", path="nowhere/a") == "file_not_found"
    assert await code_of(tools, "move_file", source="no", destination="x") == "file_not_found"
    for source, destination, code in (
        ("a.txt", "b.txt", "file_exists"),
        ("a.txt", "link", "file_exists"),
        ("a.txt", "a.txt", "file_exists"),
        ("a.txt", "docs", "is_a_directory"),
        ("docs", "other", "is_a_directory"),
        ("link", "other", "is_a_link"),
        ("a.txt", ".git/x", "path_protected"),
        ("a.txt", "new/" + "x" * 300, "file_not_written"),
    ):
        found = await code_of(tools, "move_file", source=source, destination=destination)
        assert found == code, (source, destination)
    assert {path.name for path in workspace.rglob("*")} == before


@pytest.mark.parametrize(
    "path", ["../outside.txt", "docs/../../outside.txt", "/etc/x", "link/outside.txt", "link/n/a"]
)
async def test_escapes_are_refused(tools: ToolRegistry, workspace: Path, path: str) -> None:
    outside = workspace.parent / "outside.txt"
    outside.write_text("canary", "utf-8")
    (workspace / "link").symlink_to(workspace.parent)
    before = tree(workspace.parent)
    for name, arguments in (
        ("write_file", {"path": path, "text": "x"}),
        ("delete_file", {"path": path}),
        ("move_file", {"source": path, "destination": "x"}),
        ("move_file", {"source": "a.txt", "destination": path}),
    ):
        assert await code_of(tools, name, **arguments) == "path_outside_workspace"
    assert tree(workspace.parent) == before


async def test_links_between_folders_inside_are_followed(
    tools: ToolRegistry, workspace: Path
) -> None:
    (workspace / "inside").symlink_to("docs")
    result: Any = await tools["write_file"].call({"path": "inside/x.md", "text": "x"})
    assert result["path"] == "docs/x.md"


async def test_copies_inside_of_the_workspace_are_out_of_reach(workspace: Path) -> None:
    tools = ToolRegistry(builtin_tools(workspace, kept=workspace / ".kept"))
    await tools["write_file"].call({"path": "a.txt", "text": "x"})
    copy = next((workspace / ".kept" / "copies").iterdir()).relative_to(workspace)
    assert await code_of(tools, "delete_file", path=str(copy)) == "path_protected"


async def test_what_was_changed_since_is_not_undone(tools: ToolRegistry, workspace: Path) -> None:
    write = {"path": "a.txt", "text": "new"}
    written = await tools["write_file"].call(write)
    delete = {"path": "b.txt"}
    deleted = await tools["delete_file"].call(delete)
    move = {"source": "sales.csv", "destination": "2024.csv"}
    moved = await tools["move_file"].call(move)
    (workspace / "a.txt").write_text("mine", "utf-8")
    (workspace / "b.txt").mkdir()
    (workspace / "sales.csv").write_text("mine", "utf-8")
    before = tree(workspace)
    assert await undo_code(tools, "write_file", written, write) == "undo_conflict"
    assert await undo_code(tools, "delete_file", deleted, delete) == "undo_conflict"
    assert await undo_code(tools, "move_file", moved, move) == "undo_conflict"
    assert tree(workspace) == before
    (workspace / "sales.csv").unlink()
    (workspace / "2024.csv").write_text("mine", "utf-8")
    assert await undo_code(tools, "move_file", moved, move) == "undo_conflict"
    (workspace / "2024.csv").unlink()
    assert await undo_code(tools, "move_file", moved, move) == "undo_conflict"


async def test_undoing_elsewhere_or_from_a_made_up_result(
    tools: ToolRegistry, tmp_path: Path, kept: Path
) -> None:
    arguments = {"path": "n.txt", "text": "new"}
    result: Any = await tools["write_file"].call(arguments)
    (tmp_path / "elsewhere").mkdir()
    others = ToolRegistry(builtin_tools(tmp_path / "elsewhere", kept=kept))
    assert await undo_code(others, "write_file", result, arguments) == "undo_conflict"
    assert await undo_code(tools, "write_file", {"path": "n.txt"}, arguments) == "undo_failed"
    for change, code in (
        ({"call": result["call"] + "/../../x"}, "undo_conflict"),
        ({"path": "../outside.txt"}, "path_outside_workspace"),
        ({"replaced": "sha256:../../outside.txt"}, "copy_gone"),
    ):
        assert await undo_code(tools, "write_file", {**result, **change}, arguments) == code


async def test_old_copies_are_pruned(workspace: Path, kept: Path) -> None:
    first = {each.name: each for each in builtin_tools(workspace, kept=kept)}
    results = [await first["delete_file"].call({"path": path}) for path in ("a.txt", "b.txt")]
    digest = results[0]["digest"].removeprefix("sha256:")  # type: ignore[index,call-overload,union-attr]
    long_ago = (kept / "locks").stat().st_mtime - (KEEP_DAYS + 1) * 86_400
    os.utime(kept / "copies" / digest, (long_ago, long_ago))
    later = ToolRegistry(builtin_tools(workspace, kept=kept))
    await later["delete_file"].compensate(results[1], {"path": "b.txt"})
    assert await undo_code(later, "delete_file", results[0], {"path": "a.txt"}) == "copy_gone"


async def test_without_a_place_for_copies_nothing_changes(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    tools = ToolRegistry(builtin_tools(workspace, kept=tmp_path / "file" / "kept"))
    before = tree(workspace)
    assert await code_of(tools, "delete_file", path="a.txt") == "copy_not_kept"
    assert await code_of(tools, "write_file", path="new/a", text="x") == "copy_not_kept"
    assert tree(workspace) == before


async def test_the_same_key_is_the_same_call(tools: ToolRegistry, workspace: Path) -> None:
    append = {"path": "a.txt", "text": "once\n", "append": True}
    move = {"source": "b.txt", "destination": "c.txt"}
    calls: tuple[tuple[str, Any], ...] = (
        ("write_file", append),
        ("move_file", move),
        ("delete_file", {"path": "sales.csv"}),
    )
    results = [await tools[name].call(each, idempotency_key=name) for name, each in calls]
    after = tree(workspace)
    (workspace / "sales.csv").write_text("a new one", "utf-8")
    again = [await tools[name].call(each, idempotency_key=name) for name, each in calls]
    assert again == results
    assert tree(workspace) == {**after, "sales.csv": tree(workspace)["sales.csv"]}
    assert (workspace / "a.txt").read_text("utf-8") == "one two\nthree\nonce\n"
    with pytest.raises(ToolError, match="key_reused"):
        await tools["write_file"].call({**append, "text": "x"}, idempotency_key="write_file")
    # Once undone, the same key makes the call anew.
    await tools["write_file"].compensate(results[0], append)
    assert (workspace / "a.txt").read_text("utf-8") == "one two\nthree\n"
    assert await tools["write_file"].call(append, idempotency_key="write_file") == results[0]
    assert (workspace / "a.txt").read_text("utf-8") == "one two\nthree\nonce\n"


DYING = """
import asyncio, json, os, sys
from pathlib import Path
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.builtin.write_files import file_writing_tools

class Dying(KeptFiles):
    def remember(self, call, record):
        if when == "before":
            os._exit(9)
        super().remember(call, record)
        if when == "between":
            os._exit(9)

root, kept, when, name, arguments = sys.argv[1:]
tools = {each.name: each for each in file_writing_tools(Workspace(Path(root)), Dying(Path(kept)))}
asyncio.run(tools[name].call(json.loads(arguments), idempotency_key="k"))
os._exit(9)
"""


@pytest.mark.parametrize("when", ["before", "between", "after"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("write_file", '{"path": "a.txt", "text": "more", "append": true}'),
        ("write_file", '{"path": "new/x.txt", "text": "new"}'),
        ("move_file", '{"source": "a.txt", "destination": "new/x.txt"}'),
        ("delete_file", '{"path": "a.txt"}'),
    ],
)
async def test_a_process_that_died_is_finished_by_the_same_call(
    tools: ToolRegistry, workspace: Path, kept: Path, when: str, name: str, arguments: str
) -> None:
    given: Any = json.loads(arguments)
    before = tree(workspace)
    expected: Any = await tools[name].call(given, idempotency_key="other")
    after = tree(workspace)
    await tools[name].compensate(expected, given)
    assert tree(workspace) == before

    command = [sys.executable, "-c", DYING, str(workspace), str(kept), when, name, arguments]
    died = await asyncio.to_thread(subprocess.run, command, timeout=60)
    assert died.returncode == 9
    result: Any = await tools[name].call(given, idempotency_key="k")
    assert tree(workspace) == after
    # Folders that were made just before the end are not known to be its own.
    known = {key: value for key, value in expected.items() if key not in ("call", "folders")}
    assert {key: result[key] for key in known} == known
    await tools[name].compensate(result, given)
    left = tree(workspace)
    assert {path: left[path] for path in before} == before
    assert not [path for path in left if left[path] is not None and path not in before]


async def test_a_move_that_was_interrupted_half_way(tools: ToolRegistry, workspace: Path) -> None:
    given = {"source": "a.txt", "destination": "z.txt"}
    content = (workspace / "a.txt").read_bytes()
    result = await tools["move_file"].call(given, idempotency_key="k")
    os.link(workspace / "z.txt", workspace / "a.txt")  # as before the old name went
    assert await tools["move_file"].call(given, idempotency_key="k") == result
    assert not (workspace / "a.txt").exists()
    os.link(workspace / "z.txt", workspace / "a.txt")
    await tools["move_file"].compensate(result, given)
    assert (workspace / "a.txt").read_bytes() == content
    assert not (workspace / "z.txt").exists()


async def test_lines_that_are_added_at_once_are_all_there(
    tools: ToolRegistry, workspace: Path
) -> None:
    lines = {f"line {number}" for number in range(20)}
    calls = (
        tools["write_file"].call({"path": "log", "text": f"{each}\n", "append": True})
        for each in lines
    )
    await asyncio.gather(*calls)
    assert set((workspace / "log").read_text("utf-8").splitlines()) == lines
    twice = {"path": "log", "text": "last\n", "append": True}
    both = (tools["write_file"].call(twice, idempotency_key="k") for _ in range(5))
    await asyncio.gather(*both)
    assert (workspace / "log").read_text("utf-8").count("last") == 1


async def test_the_users_state_folder_is_the_default(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_STATE_DIR", str(tmp_path / "state"))
    tools = ToolRegistry(builtin_tools(workspace))
    assert not (tmp_path / "state").exists()
    await tools["delete_file"].call({"path": "a.txt"})
    assert (tmp_path / "state" / "kept" / "copies").is_dir()


PATHS = st.sampled_from(["a", "b", "d/a", "d/e/b", "d", "e/c", "../a", ".git/x"])
CALLS = st.one_of(
    st.builds(
        lambda path, text, append: ("write_file", {"path": path, "text": text, "append": append}),
        PATHS,
        st.sampled_from(["", "x", "long" * 1_000, "é\r\n"]),
        st.booleans(),
    ),
    st.builds(lambda path: ("delete_file", {"path": path}), PATHS),
    st.builds(lambda old, new: ("move_file", {"source": old, "destination": new}), PATHS, PATHS),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(CALLS, max_size=12), st.booleans())
def test_undone_in_reverse_everything_is_as_it_was(
    calls: list[tuple[str, dict[str, Any]]], twice: bool
) -> None:
    async def scenario(root: Path, kept: Path) -> None:
        tools = ToolRegistry(builtin_tools(root, kept=kept))
        (root / "a").write_text("first", "utf-8")
        (root / "a").chmod(0o600)
        (root / "d").mkdir()
        (root / "d" / "a").write_text("second", "utf-8")
        trees, done = [tree(root)], []
        for name, arguments in calls:
            try:
                result = await tools[name].call(arguments)
            except ToolError:
                assert tree(root) == trees[-1]  # what is refused changes nothing
                continue
            done.append((name, arguments, result))
            trees.append(tree(root))
        for name, arguments, result in reversed(done):
            assert tree(root) == trees.pop()
            for _ in range(1 + twice):
                await tools[name].compensate(result, arguments)
        assert tree(root) == trees.pop()

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "root").mkdir()
        asyncio.run(scenario(Path(folder) / "root", Path(folder) / "kept"))


def test_a_folder_that_became_a_link_after_the_check_is_not_followed(workspace: Path) -> None:
    place = Workspace(workspace)
    real = place.resolve("docs") / "x.md"
    (workspace / "docs").rename(workspace / "moved")
    (workspace / "docs").symlink_to(workspace.parent)
    with pytest.raises(ToolError, match="not_a_directory"), coded("x"):
        make_folders(place, workspace / "docs" / "new" / "x.md")
    with pytest.raises(ToolError, match="not_a_directory"), coded("x"), opened_folder(place, real):
        pass
    assert not (workspace.parent / "new").exists()
