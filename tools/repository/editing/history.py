"""Every applied change set as two commits, before and after, in a git repository of Treadle's own.

The user's repository is never opened by git: its hooks, filters, monitors, aliases and
submodules are programs that whoever wrote the repository chose. So neither its index nor a branch
of it can change, and a folder without git has the same history.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.repository.editing.change import ChangeSet

BRANCH = "refs/heads/edits"
"""Where the newest commit is."""

_SECONDS = 30.0
_NOTHING = os.devnull
_ARGUMENTS = (
    "-c", f"core.hooksPath={_NOTHING}",
    "-c", f"core.attributesFile={_NOTHING}",
    "-c", "core.fsmonitor=false",
    "-c", "core.untrackedCache=false",
    "-c", "core.autocrlf=false",
    "-c", "commit.gpgSign=false",
    "-c", "protocol.allow=never",
    "-c", "protocol.file.allow=never",
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
)  # fmt: skip


class EditHistory:
    """The commits of one workspace's edits; look at them with `git --git-dir=FOLDER log -p`.

    folder: a bare repository, made when first needed. git: the program; None to look for it.
    """

    def __init__(self, folder: Path, git: str | None = None) -> None:
        self.folder = folder
        self._git = git

    def record(self, changes: ChangeSet, title: str) -> str:
        """Add the state before and after `changes`; the hash of the commit after.

        Raises ToolError (`history_not_kept`); the changes themselves do not depend on it.
        """
        program = self._git or shutil.which("git")
        if program is None:
            raise ToolError("history_not_kept", "there is no git on this machine")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.folder / "HEAD").exists():
            self._run(program, ["init", "--quiet", "--bare", "--template=", "."])
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            index = Path(place) / "index"
            base = self._head(program)
            if base is not None:
                self._run(program, ["read-tree", base], index=index)
            before = self._commit(program, index, changes, base, f"Before: {title}", after=False)
            after = self._commit(program, index, changes, before, title, after=True)
        self._run(program, ["update-ref", BRANCH, after])
        return after

    def _head(self, program: str) -> str | None:
        listed = self._run(program, ["for-each-ref", "--format=%(objectname)", BRANCH])
        return listed or None

    def _commit(
        self,
        program: str,
        index: Path,
        changes: ChangeSet,
        parent: str | None,
        title: str,
        *,
        after: bool,
    ) -> str:
        entries: list[bytes] = []
        for each in changes.files:
            data = each.after if after else each.before
            path = os.fsencode(each.path)
            if data is None:
                entries.append(b"0 " + b"0" * 40 + b"\t" + path + b"\0")
                continue
            blob = self._run(program, ["hash-object", "-w", "--no-filters", "--stdin"], data)
            mode = b"100755" if (each.mode or 0) & 0o100 else b"100644"
            entries.append(mode + b" " + blob.encode() + b"\t" + path + b"\0")
        self._run(program, ["update-index", "-z", "--index-info"], b"".join(entries), index=index)
        tree = self._run(program, ["write-tree"], index=index)
        parents = ["-p", parent] if parent is not None else []
        return self._run(program, ["commit-tree", tree, *parents], title.encode())

    def _run(
        self,
        program: str,
        arguments: Sequence[str],
        data: bytes = b"",
        *,
        index: Path | None = None,
    ) -> str:
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": _NOTHING,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "Treadle"), ("EMAIL", "treadle@localhost"))
            },
        }
        if index is not None:
            environment["GIT_INDEX_FILE"] = str(index)
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments, in a folder of our own
                [program, *_ARGUMENTS, *arguments],
                input=data,
                capture_output=True,
                cwd=self.folder,
                env=environment,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolError("history_not_kept", f"git {arguments[0]}: {error}") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()[:300]
            raise ToolError("history_not_kept", f"git {arguments[0]} failed: {said}")
        return done.stdout.decode("ascii", "replace").strip()
