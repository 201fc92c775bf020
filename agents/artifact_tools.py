"""Memory's artifacts as tools: long outputs that agents write and read in parts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from treadle.core.errors import InputError, ToolError
from treadle.core.taint import has_read
from treadle.memory.namespace import Namespace
from treadle.tools import Effect, Tool, tool

if TYPE_CHECKING:
    from treadle.memory.learning import Artifact, Artifacts

MOST_LINES = 2_000
"""Lines that one call reads."""

MOST_LISTED = 500


def artifact_tools(artifacts: Artifacts, namespace: Namespace) -> list[Tool]:
    """`artifact_list`, `artifact_read`, `artifact_write` and `artifact_append`, for one namespace.

    What they write keeps the labels of what it was made from, and what they read carries them.
    """
    return [*_readers(artifacts, namespace), *_writers(artifacts, namespace)]


def _readers(artifacts: Artifacts, namespace: Namespace) -> list[Tool]:
    @tool(effect=Effect.READ)
    async def artifact_list(prefix: str = "") -> list[dict[str, Any]]:
        """List artifacts: name, version, size in bytes, media type.

        Args:
            prefix: what their names begin with; all by default.
        """
        found = (await artifacts.all(prefix, namespace=namespace))[:MOST_LISTED]
        has_read(label for each in found for label in each.taint)
        return [
            {
                "name": each.name,
                "version": each.version,
                "size": each.size,
                "media_type": each.media_type,
            }
            for each in found
        ]

    @tool(effect=Effect.READ)
    async def artifact_read(name: str, first_line: int = 1, lines: int = 200) -> dict[str, Any]:
        """Read lines of an artifact; gives the text, the artifact's size, and whether more follows.

        Args:
            name: of the artifact.
            first_line: from 1; negative counts from the end.
            lines: how many.
        """
        try:
            count = max(1, min(lines, MOST_LINES))
            if first_line < 0:
                part = await artifacts.read_last_lines(name, namespace=namespace, count=-first_line)
            else:
                part = await artifacts.read_lines(
                    name, namespace=namespace, first=first_line, count=count
                )
        except InputError as error:
            raise ToolError(error.code, error.message) from None
        return {"text": part.text, "size": part.artifact.size, "more": part.more}

    return [artifact_list, artifact_read]


def _writers(artifacts: Artifacts, namespace: Namespace) -> list[Tool]:
    async def take_back(result: dict[str, Any], name: str, text: str) -> None:
        try:
            await artifacts.cut(_changed(name, result), result["start"], namespace=namespace)
        except InputError as error:
            raise ToolError(error.code, error.message) from None

    @tool(effect=Effect.WRITE, undo=take_back, idempotent=True)
    async def artifact_write(name: str, text: str, idempotency_key: str = "") -> dict[str, Any]:
        """Write an artifact anew; the version before is kept.

        Args:
            name: like report/chapter-1.md.
            text: all of it.
        """
        try:
            made = await artifacts.write(name, text, namespace=namespace, key=idempotency_key)
        except InputError as error:
            raise ToolError(error.code, error.message) from None
        return _told(made, 0)

    @tool(effect=Effect.WRITE, undo=take_back, idempotent=True)
    async def artifact_append(name: str, text: str, idempotency_key: str = "") -> dict[str, Any]:
        """Add to the end of an artifact, or begin it.

        Args:
            name: like report/chapter-1.md.
            text: what is added.
        """
        try:
            made = await artifacts.append(name, text, namespace=namespace, key=idempotency_key)
        except InputError as error:
            raise ToolError(error.code, error.message) from None
        return _told(made, made.size - len(text.encode()))

    return [artifact_write, artifact_append]


def _told(made: Artifact, start: int) -> dict[str, Any]:
    return {
        "name": made.name,
        "version": made.version,
        "size": made.size,
        "start": start,
        "hash": made.content_hash,
    }


def _changed(name: str, result: dict[str, Any]) -> Artifact:
    from treadle.memory.learning import Artifact

    never = datetime.min
    return Artifact("", name, result["version"], result["size"], "", result["hash"], never)
