"""Edits in a hostile repository: nothing of it runs, nothing of its git changes."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tools.repository.test_transaction import snapshot

from treadle.core.errors import ToolError
from treadle.tools.repository import Repository
from treadle.tools.repository.editing.change import ChangeSet, FileChange
from treadle.tools.repository.editing.edits import Replace
from treadle.tools.repository.editing.history import EditHistory

pytestmark = pytest.mark.usefixtures("needs_git")

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": "t@localhost"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
}


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )
    return done.stdout


@pytest.fixture
def cloned(root: Path) -> Path:
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    (root / "app" / "main.py").write_text(
        "# staged\n" + (root / "app" / "main.py").read_text("utf-8"), "utf-8"
    )
    git(root, "add", ".")
    with (root / "app" / "shapes.py").open("a", encoding="utf-8") as file:
        file.write("# not staged\n")
    (root / "untracked.py").write_text("x = 1\n", "utf-8")
    return root


def hooks(root: Path, script: Path) -> None:
    for name in (
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "post-checkout",
    ):
        hook = root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.unlink(missing_ok=True)
        hook.symlink_to(script)


def configured(*settings: tuple[str, str]) -> Callable[[Path, Path], None]:
    def prepare(root: Path, script: Path) -> None:
        for key, value in settings:
            git(root, "config", key, value.replace("SCRIPT", str(script)))

    return prepare


def filters(root: Path, script: Path) -> None:
    (root / ".gitattributes").write_text("*.py filter=evil diff=evil merge=evil\n", "utf-8")
    configured(
        ("filter.evil.clean", "SCRIPT"), ("filter.evil.smudge", "SCRIPT"), ("filter.evil.process", "SCRIPT"),
        ("diff.evil.textconv", "SCRIPT"), ("diff.evil.command", "SCRIPT"), ("merge.evil.driver", "SCRIPT"),
    )(root, script)  # fmt: skip


def submodules(root: Path, script: Path) -> None:
    inner = root / "app" / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "x.py").write_text("x = 1\n", "utf-8")
    git(inner, "add", ".")
    git(inner, "commit", "-q", "-m", "inner")
    git(inner, "config", "core.fsmonitor", str(script))
    git(root, "-c", "advice.addEmbeddedRepo=false", "add", "app/inner")


ATTACKS: dict[str, tuple[Callable[[Path, Path], None], tuple[str, ...]]] = {
    "hooks": (hooks, ("commit", "-q", "-m", "x")),
    "hooks path": (configured(("core.hooksPath", "evil")), ("commit", "-q", "-m", "x")),
    "fsmonitor": (configured(("core.fsmonitor", "SCRIPT")), ("status",)),
    "filters": (filters, ("add", "untracked.py")),
    "textconv": (filters, ("diff",)),
    "external diff": (configured(("diff.external", "SCRIPT")), ("diff",)),
    "signing": (
        configured(("commit.gpgSign", "true"), ("gpg.program", "SCRIPT")),
        ("commit", "-q", "-m", "x"),
    ),
    "alias": (configured(("alias.write-trees", "!SCRIPT")), ("write-trees",)),
    "editor": (configured(("core.editor", "SCRIPT")), ("commit",)),
    "ssh": (
        configured(("core.sshCommand", "SCRIPT"), ("remote.o.url", "ssh://h/x")),
        ("fetch", "o"),
    ),
    "upload pack": (
        configured(("remote.o.url", "."), ("remote.o.uploadpack", "SCRIPT")),
        ("fetch", "o"),
    ),
    "submodule": (submodules, ("status",)),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_a_hostile_repository_runs(cloned: Path, tmp_path: Path, attack: str) -> None:
    prepare, control = ATTACKS[attack]
    marker, script = tmp_path / "ran", tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\necho ran >> '{marker}'\nexit 1\n", "utf-8")
    script.chmod(0o755)
    (cloned / "evil").mkdir()
    (cloned / "evil" / "pre-commit").symlink_to(script)
    prepare(cloned, script)
    marker.unlink(missing_ok=True)
    before = snapshot(cloned / ".git")
    with Repository(cloned, kept=tmp_path / "kept") as repository:
        preview = repository.preview([Replace(op="replace", at='app/main.py@"1.0"', text="9.0")])
        done = repository.apply(preview.name, "one")
        assert len(done.commit) == 40
        repository.undo(done.applied)
    assert not marker.exists()
    assert snapshot(cloned / ".git") == before
    # The control: the same repository does run it for whoever uses plain git.
    git(cloned, *control, check=False)
    assert marker.exists()


def test_uncommitted_work_index_and_branch_stay(cloned: Path, tmp_path: Path) -> None:
    status, index = git(cloned, "status", "--porcelain"), (cloned / ".git" / "index").read_bytes()
    files = snapshot(cloned)
    with Repository(cloned, kept=tmp_path / "kept") as repository:
        preview = repository.preview(
            [Replace(op="replace", at='app/shapes.py@"# not staged"', text="# edited")]
        )
        done = repository.apply(preview.name, "one")
        assert (cloned / ".git" / "index").read_bytes() == index
        history = repository.history.folder
        shown = git(history, "--git-dir=.", "show", done.commit)
        assert "-# not staged" in shown
        assert "+# edited" in shown
        repository.undo(done.applied)
    assert snapshot(cloned) == files
    assert git(cloned, "status", "--porcelain") == status


def test_commits_hold_the_bytes_and_follow_each_other(tmp_path: Path) -> None:
    history = EditHistory(tmp_path / "history")
    data = b"a\r\n\xff\0$Id$\n"
    first = history.record(ChangeSet((FileChange("a b.bin", None, data, None),)), "first")
    second = history.record(
        ChangeSet((FileChange("a b.bin", data, None, 0o755), FileChange("c/d", b"", b"x", 0o755))),
        "second",
    )
    done = subprocess.run(
        ["git", "--git-dir=.", "show", f"{first}:a b.bin"],
        cwd=history.folder,
        capture_output=True,
        check=True,
    )
    assert done.stdout == data
    assert git(history.folder, "--git-dir=.", "ls-tree", "-r", second).startswith("100755")
    assert first in git(history.folder, "--git-dir=.", "log", "--format=%H", second).split()


def test_without_git_the_changes_are_made_and_the_result_says_that_no_commit_was(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(ToolError) as failed:
        EditHistory(tmp_path / "h", str(tmp_path / "no-git")).record(
            ChangeSet((FileChange("a", None, b"", None),)), "x"
        )
    assert failed.value.code == "history_not_kept"
    with Repository(root, kept=tmp_path / "kept") as repository:
        repository.history = EditHistory(tmp_path / "h", str(tmp_path / "no-git"))
        preview = repository.preview([Replace(op="replace", at='app/main.py@"1.0"', text="9.0")])
        done = repository.apply(preview.name, "one")
    assert done.commit == ""
    assert "git" in done.unrecorded
    assert "9.0" in (root / "app" / "main.py").read_text("utf-8")
