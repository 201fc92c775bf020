"""All of a change set or none of it, and back to the very bytes that were there."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.editing.change import ChangeSet, FileChange
from treadle.tools.repository.editing.edits import (
    Delete,
    DeleteFile,
    Edit,
    Insert,
    MoveFile,
    Replace,
    WriteFile,
)
from treadle.tools.repository.editing.planning import planned
from treadle.tools.repository.editing.previews import Planned, Previews
from treadle.tools.repository.editing.transaction import Transactions

Snapshot = dict[str, tuple[str, int, bytes]]


def snapshot(root: Path) -> Snapshot:
    """Everything below a folder: kind, permissions, bytes."""
    every: Snapshot = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        data = os.readlink(path).encode() if path.is_symlink() else b""
        if stat.S_ISREG(mode):
            data = path.read_bytes()
        every[path.relative_to(root).as_posix()] = (stat.filemode(mode), mode & 0o7777, data)
    return every


@pytest.fixture
def plan(workspace: Workspace, transactions: Transactions, previews: Previews):
    def make(*edits: Edit) -> Planned:
        return previews.load(previews.keep(planned(workspace, transactions.places, edits)))

    return make


def replace(at: str, text: str) -> Replace:
    return Replace(op="replace", at=at, text=text)


def test_edits_apply_together_and_come_back(root: Path, transactions: Transactions, plan) -> None:
    (root / "run.sh").write_bytes(b"#!/bin/sh\r\necho hi")
    (root / "run.sh").chmod(0o750)
    (root / "untracked.bin").write_bytes(b"\0\xff")
    before = snapshot(root)
    applied = transactions.apply(
        plan(
            replace("app/shapes.py::total", "def total(shapes):\n    return 0.0\n"),
            Insert(
                op="insert_after",
                at="app/shapes.py::Shape.area",
                text="def edges(self):\n    return 0\n",
            ),
            WriteFile(op="write_file", path="app/deep/new.py", text="x = 1\n"),
            MoveFile(op="move_file", path="run.sh", to="bin/run.sh"),
            DeleteFile(op="delete_file", path="app/main.py"),
        ),
        "one",
    )
    after = snapshot(root)
    assert b"        return 0.0\n\n\nclass Circle" not in after["app/shapes.py"][2]
    assert (
        b"        return 0.0\n    def edges(self):\n        return 0\n" in after["app/shapes.py"][2]
    )
    assert after["bin/run.sh"] == before["run.sh"]
    assert "app/main.py" not in after
    assert after["untracked.bin"] == before["untracked.bin"]
    assert not [name for name in after if "partial" in name]
    transactions.undo(applied)
    assert snapshot(root) == before


def test_a_second_time_with_the_same_key_does_nothing(
    root: Path, transactions: Transactions, plan
) -> None:
    made = plan(Delete(op="delete", at="app/main.py::main"))
    first = transactions.apply(made, "one")
    (root / "app" / "main.py").write_text("mine", "utf-8")
    assert transactions.apply(made, "one") == first
    assert (root / "app" / "main.py").read_text("utf-8") == "mine"


@pytest.mark.parametrize("change", ["text", "mode", "gone", "link"])
def test_files_that_changed_since_the_preview_are_refused(
    root: Path, transactions: Transactions, plan, change: str
) -> None:
    made = plan(replace('app/main.py@"1.0"', "9.0"), replace('app/shapes.py@"0.0"', "9.0"))
    path = root / "app" / "shapes.py"
    if change == "text":
        path.write_text("mine", "utf-8")
    elif change == "mode":
        path.chmod(0o600)
    else:
        path.rename(root / "elsewhere")
    if change == "link":
        path.symlink_to("../elsewhere")
    before = snapshot(root)
    with pytest.raises(ToolError) as refused:
        transactions.apply(made, "one")
    assert refused.value.code == ("is_a_link" if change == "link" else "files_changed")
    assert snapshot(root) == before


def test_a_file_that_appeared_since_the_preview_is_not_overwritten(
    root: Path, transactions: Transactions, plan
) -> None:
    made = plan(WriteFile(op="write_file", path="new.py", text="x\n"))
    (root / "new.py").write_text("mine", "utf-8")
    with pytest.raises(ToolError) as refused:
        transactions.apply(made, "one")
    assert refused.value.code == "files_changed"
    assert (root / "new.py").read_text("utf-8") == "mine"


@pytest.mark.parametrize("fails_at", ["app/main.py", "app/shapes.py", "zoo/new.py"])
def test_a_failure_in_the_middle_takes_everything_back(
    root: Path, workspace: Workspace, kept: KeptFiles, plan, fails_at: str
) -> None:
    made = plan(
        replace('app/main.py@"1.0"', "9.0"),
        replace('app/shapes.py@"0.0"', "9.0"),
        WriteFile(op="write_file", path="zoo/new.py", text="x\n"),
    )
    before = snapshot(root)

    def step(path: str) -> None:
        if path == fails_at:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Transactions(workspace, kept, step).apply(made, "one")
    assert snapshot(root) == before
    Transactions(workspace, kept).apply(made, "one")
    assert (root / "zoo" / "new.py").exists()


def test_a_save_between_two_files_is_noticed_and_kept(
    root: Path, workspace: Workspace, kept: KeptFiles, plan
) -> None:
    made = plan(replace('app/main.py@"1.0"', "9.0"), replace('app/shapes.py@"0.0"', "9.0"))
    main = (root / "app" / "main.py").read_bytes()

    def step(path: str) -> None:
        if path == "app/shapes.py":
            (root / path).write_text("saved by somebody", "utf-8")

    with pytest.raises(ToolError) as refused:
        Transactions(workspace, kept, step).apply(made, "one")
    assert refused.value.code in ("files_changed", "undo_conflict")
    assert (root / "app" / "shapes.py").read_text("utf-8") == "saved by somebody"
    assert (root / "app" / "main.py").read_bytes() == main


_CRASH = """
import os, sys
from pathlib import Path
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.editing.previews import Previews
from treadle.tools.repository.editing.transaction import Transactions
workspace, kept = Workspace(Path(sys.argv[1])), KeptFiles(Path(sys.argv[2]))
step = lambda path: os._exit(9) if path == sys.argv[4] else None
Transactions(workspace, kept, step).apply(Previews(workspace, kept).load(sys.argv[3]), "one")
"""


@pytest.mark.parametrize("dies_at", ["app/main.py", "app/shapes.py", "zoo/new.py"])
def test_what_a_killed_process_left_is_taken_back(
    root: Path,
    workspace: Workspace,
    kept: KeptFiles,
    previews: Previews,
    transactions: Transactions,
    dies_at: str,
) -> None:
    edits = [
        replace('app/main.py@"1.0"', "9.0"),
        replace('app/shapes.py@"0.0"', "9.0"),
        WriteFile(op="write_file", path="zoo/new.py", text="x\n"),
    ]
    name = previews.keep(planned(workspace, transactions.places, edits))
    before = snapshot(root)
    died = subprocess.run(
        [sys.executable, "-c", _CRASH, root, kept.folder, name, dies_at], timeout=60
    )
    assert died.returncode == 9
    back = transactions.recover()
    assert len(back) == ["app/main.py", "app/shapes.py", "zoo/new.py"].index(dies_at)
    assert snapshot(root) == before
    assert transactions.recover() == []
    transactions.apply(previews.load(name), "one")
    assert (root / "zoo" / "new.py").exists()


def test_undo_refuses_when_a_file_was_changed_since(
    root: Path, transactions: Transactions, plan
) -> None:
    applied = transactions.apply(
        plan(replace('app/main.py@"1.0"', "9.0"), replace('app/shapes.py@"0.0"', "9.0")), "one"
    )
    (root / "app" / "main.py").write_text("mine", "utf-8")
    before = snapshot(root)
    with pytest.raises(ToolError) as refused:
        transactions.undo(applied)
    assert refused.value.code == "undo_conflict"
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../out.py", "path_outside_workspace"),
        ("/etc/out.py", "path_outside_workspace"),
        ("away/out.py", "path_outside_workspace"),
        (".git/hooks/pre-commit", "path_protected"),
        ("sub/.GIT/config", "path_protected"),
        ("link.py", "is_a_link"),
        ("app", "is_a_directory"),
    ],
)
def test_the_jail_holds(
    root: Path,
    tmp_path: Path,
    workspace: Workspace,
    transactions: Transactions,
    path: str,
    code: str,
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret.py").write_text("x = 1\n", "utf-8")
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "link.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(ToolError) as refused:
        planned(workspace, transactions.places, [WriteFile(op="write_file", path=path, text="x\n")])
    assert refused.value.code == code


def test_a_folder_that_became_a_link_is_refused(
    root: Path, tmp_path: Path, transactions: Transactions, plan
) -> None:
    made = plan(WriteFile(op="write_file", path="app/new.py", text="x\n"))
    outside = tmp_path / "outside"
    (root / "app").rename(outside)
    (root / "app").symlink_to(outside)
    with pytest.raises(ToolError) as refused:
        transactions.apply(made, "one")
    assert refused.value.code == "path_outside_workspace"
    assert not (outside / "new.py").exists()


def test_line_endings_and_encodings_are_kept(root: Path, transactions: Transactions, plan) -> None:
    (root / "dos.py").write_bytes(b"\xef\xbb\xbfdef f():\r\n    return 1\r\nx = 2\n")
    (root / "latin.py").write_bytes("# coding: latin-1\ns = 'é'\n".encode("latin-1"))
    transactions.apply(
        plan(
            replace("dos.py::f", "def f():\n    y = 2\n    return y\n"),
            replace("latin.py@\"'é'\"", "'éü'"),
        ),
        "one",
    )
    assert (
        root / "dos.py"
    ).read_bytes() == b"\xef\xbb\xbfdef f():\r\n    y = 2\r\n    return y\r\nx = 2\n"
    assert (root / "latin.py").read_bytes() == "# coding: latin-1\ns = 'éü'\n".encode("latin-1")


def test_a_preview_of_another_workspace_or_of_nobody_is_unknown(
    tmp_path: Path,
    kept: KeptFiles,
    previews: Previews,
    workspace: Workspace,
    transactions: Transactions,
) -> None:
    name = previews.keep(
        planned(workspace, transactions.places, [WriteFile(op="write_file", path="n.py", text="")])
    )
    for place, asked in (
        (Previews(Workspace(tmp_path), kept), name),
        (previews, "0" * 64),
        (previews, "../x"),
    ):
        with pytest.raises(ToolError) as refused:
            place.load(asked)
        assert refused.value.code == "unknown_preview"


_CONTENT = st.none() | st.binary(max_size=30) | st.text("ab\r\n é", max_size=30).map(str.encode)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(old=_CONTENT, new=_CONTENT)
def test_the_diff_is_what_git_applies(
    tmp_path: Path, needs_git: None, old: bytes | None, new: bytes | None
) -> None:
    if old == new or (old is None and new == b"") or (new is None and old == b""):
        return  # git says nothing of an empty file's content
    if any(data is not None and b"\0" in data for data in (old, new)):
        return
    folder = Path(os.path.join(tmp_path, os.urandom(6).hex()))
    folder.mkdir()
    name = "a é.txt"
    if old is not None:
        (folder / name).write_bytes(old)
    diff = ChangeSet((FileChange(name, old, new, 0o644),)).diff
    data = diff.encode() if _is_utf8(old) and _is_utf8(new) else None
    if data is None:
        return
    done = subprocess.run(
        ["git", "apply", "--unsafe-paths", "--whitespace=nowarn", "-"],
        input=data,
        cwd=folder,
        capture_output=True,
        env={
            "PATH": os.defpath,
            "GIT_CEILING_DIRECTORIES": str(tmp_path),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": str(folder),
        },
    )
    assert done.returncode == 0, (done.stderr, diff)
    assert ((folder / name).read_bytes() if new is not None else None) == new
    assert (folder / name).exists() == (new is not None)


def _is_utf8(data: bytes | None) -> bool:
    try:
        (data or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
