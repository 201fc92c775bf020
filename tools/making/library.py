"""Where made tools are kept: a folder of versions, and of approvals bound to them."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import JsonValue as AnyJson

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.effect import Effect
from treadle.tools.making.made_tool import Example, MadeTool
from treadle.tools.making.source import read_source

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VERSION = re.compile(r"(\d{1,6})\.json")
_LARGEST = 4 * 1024 * 1024  # bytes of one stored tool


class _StoredExample(BaseModel):
    model_config = ConfigDict(extra="forbid")
    arguments: dict[str, AnyJson]
    result: AnyJson


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    version: int
    source: str
    examples: list[_StoredExample]
    effect: str
    open_world: bool


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    digest: str
    tool: _Stored


class _Approval(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    digest: str
    by: str


class ToolLibrary:
    """Made tools by name and version, as files in `folder`; a version never changes.

    Nothing in it runs before a person has approved that version; the approval names the digest of
    what was approved, so that other code under the same name and version is not covered by it.

    Raises ToolError: `made_tool_damaged` for a file that is not what was stored, `unknown_tool`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """The names of all tools, in order."""
        if not self._folder.is_dir():
            return []
        return sorted(each.name for each in self._folder.iterdir() if _NAME.fullmatch(each.name))

    def versions(self, name: str) -> list[int]:
        """The versions of tool `name`, oldest first; none for one that is not here."""
        folder = self._folder / name
        if not _NAME.fullmatch(name) or not folder.is_dir():
            return []
        found = (_VERSION.fullmatch(each.name) for each in folder.iterdir())
        return sorted(int(each[1]) for each in found if each)

    def get(self, name: str, version: int | None = None) -> MadeTool:
        """A version of tool `name`, the newest by default; its digest is checked."""
        versions = self.versions(name)
        wanted = version if version is not None else versions[-1] if versions else None
        if wanted is None or wanted not in versions:
            raise ToolError("unknown_tool", f"no tool '{name[:100]}' like that was ever made")
        return self._read(name, wanted)

    def latest(self) -> list[MadeTool]:
        """The newest version of each tool, approved or not."""
        return [self.get(name) for name in self.names() if self.versions(name)]

    def approved(self) -> list[MadeTool]:
        """The newest approved version of each tool."""
        found: list[MadeTool] = []
        for name in self.names():
            for version in reversed(self.versions(name)):
                made = self._read(name, version)
                if self.is_approved(made):
                    found.append(made)
                    break
        return found

    def add(self, made: MadeTool) -> MadeTool:
        """Store `made` as the next version of its name, not approved; gives it as stored.

        Raises ToolError (`bad_tool_source`) for a source whose function has another name.
        """
        if read_source(made.source).name != made.name:
            raise ToolError("bad_tool_source", f"the source defines no function '{made.name}'")
        folder = self._folder / made.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            made = replace(made, version=max(self.versions(made.name), default=0) + 1)
            document: JsonValue = {"digest": made.digest, "tool": made.as_json()}
            # Another process may have taken the number meanwhile.
            if _write_new(folder / f"{made.version}.json", document):
                return made

    def approve(self, made: MadeTool, by: str) -> None:
        """Let `made` run from now on; `by` says who decided.

        Raises ToolError (`made_tool_damaged`) where what is stored is not what was shown.
        """
        if self.get(made.name, made.version).digest != made.digest:
            raise _damaged(made.name, made.version, "it is not what was approved")
        self.revoke(made)
        _write_new(self._approval(made.name, made.version), {"digest": made.digest, "by": by})

    def revoke(self, made: MadeTool) -> None:
        """Take an approval back; calls from now on are refused."""
        self._approval(made.name, made.version).unlink(missing_ok=True)

    def is_approved(self, made: MadeTool) -> bool:
        """Whether this very code was approved."""
        path = self._approval(made.name, made.version)
        try:
            approval = _Approval.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ValidationError):
            raise _damaged(made.name, made.version, "its approval cannot be read") from None
        return secrets.compare_digest(approval.digest.encode(), made.digest.encode())

    def _approval(self, name: str, version: int) -> Path:
        if not _NAME.fullmatch(name):
            raise ToolError("unknown_tool", f"no tool '{name[:100]}' was ever made")
        return self._folder / name / f"{version}.approved"

    def _read(self, name: str, version: int) -> MadeTool:
        path = self._folder / name / f"{version}.json"
        try:
            if path.stat().st_size > _LARGEST:
                raise _damaged(name, version, "it is larger than any tool")
            file = _File.model_validate_json(path.read_bytes())
            stored = file.tool
            made = MadeTool(
                stored.name,
                stored.version,
                stored.source,
                tuple(Example(each.arguments, each.result) for each in stored.examples),
                Effect(stored.effect),
                stored.open_world,
            )
        except (OSError, ValueError):
            raise _damaged(name, version, "its file cannot be read") from None
        if made.digest != file.digest or (made.name, made.version) != (name, version):
            raise _damaged(name, version, "its hash is another one")
        return made


def _write_new(path: Path, document: JsonValue) -> bool:
    """Write a file whole or not at all; False where there is one already."""
    partial = path.with_name(f".{secrets.token_hex(6)}.partial")
    partial.write_text(json.dumps(document, allow_nan=False))
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True


def _damaged(name: str, version: int, why: str) -> ToolError:
    return ToolError(
        "made_tool_damaged",
        f"made tool '{name}', version {version}: {why}; delete the file, or make the tool again",
    )
