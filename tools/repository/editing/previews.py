"""Change sets that were shown and may be applied: kept by content, so that none can be altered."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from treadle.core.errors import ToolError
from treadle.core.json_value import canonical_json
from treadle.tools.builtin.anchored import digest_of
from treadle.tools.builtin.file_changes import workspace_id
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.editing.change import ChangeSet, FileChange


class PlannedFile(BaseModel):
    """One file of a change set, its contents by digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    before: str | None
    after: str | None
    mode: int | None


class Planned(BaseModel):
    """A change set as it is kept; workspace: of which it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workspace: str
    files: tuple[PlannedFile, ...]


class Previews:
    """The change sets of a workspace by the digest of all that they would do."""

    def __init__(self, workspace: Workspace, kept: KeptFiles) -> None:
        self._workspace, self._kept = workspace, kept

    def keep(self, changes: ChangeSet) -> str:
        """Keep a change set; its name, 64 hex digits. Raises ToolError (`copy_not_kept`)."""
        files = tuple(
            PlannedFile(
                path=each.path,
                before=None if each.before is None else digest_of(each.before),
                after=None if each.after is None else self._kept.keep(each.after),
                mode=each.mode,
            )
            for each in changes.files
        )
        planned = Planned(workspace=workspace_id(self._workspace), files=files)
        digest = self._kept.keep(canonical_json(planned.model_dump(mode="json")))
        return digest.removeprefix("sha256:")

    def load(self, name: str) -> Planned:
        """The change set with this name. Raises ToolError (`unknown_preview`)."""
        try:
            planned = Planned.model_validate_json(self._kept.load(f"sha256:{name}"))
        except (ToolError, ValidationError):
            raise _unknown(name) from None
        if planned.workspace != workspace_id(self._workspace):
            raise _unknown(name)
        return planned

    def changes(self, planned: Planned, before: dict[str, bytes]) -> ChangeSet:
        """The change set with its bytes; before: those of the files as they are, by digest."""
        return ChangeSet(
            tuple(
                FileChange(
                    each.path,
                    None if each.before is None else before[each.before],
                    None if each.after is None else self._kept.load(each.after),
                    each.mode,
                )
                for each in planned.files
            )
        )


def _unknown(name: str) -> ToolError:
    return ToolError(
        "unknown_preview", f"there is no preview '{name[:80]}'; preview the edits again"
    )
