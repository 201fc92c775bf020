"""Large values in files, with an error of ours when the disk does not play along."""

from __future__ import annotations

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.tools.artifacts import Artifact, ArtifactStore, Kept, as_json


def keep(artifacts: ArtifactStore, value: JsonValue) -> Kept:
    """`value`, or what stands for it if it is large. Raises ToolError (`artifact_failed`)."""
    try:
        return artifacts.keep(value)
    except OSError as error:
        raise ToolError(
            "artifact_failed",
            f"a large value could not be stored ({error}); see that the folder for artifacts can "
            f"be written to and has room",
        ) from error


def shown(kept: Kept) -> Payload:
    """What an event carries for an output."""
    return Payload(as_json(kept), artifact=isinstance(kept, Artifact))


def restored(artifacts: ArtifactStore, payload: Payload | None) -> Kept:
    """The output that an event carries. Raises ToolError (`artifact_failed`)."""
    if payload is None or not payload.artifact:
        return None if payload is None else payload.value
    try:
        return artifacts.restored(payload.value)
    except (OSError, ValueError) as error:
        raise ToolError("artifact_failed", f"a stored value cannot be found: {error}") from error


def load(artifacts: ArtifactStore, kept: Kept) -> JsonValue:
    """The value that `keep` was given. Raises ToolError (`artifact_failed`)."""
    try:
        return artifacts.load(kept)
    except (OSError, ValueError) as error:
        raise ToolError(
            "artifact_failed", f"a stored value is not there any more: {error}"
        ) from error
