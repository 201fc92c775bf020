"""A tool as its server describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.core.json_value import JsonValue, canonical_json
from treadle.tools.mcp.effects import Hints

if TYPE_CHECKING:
    from mcp_types import Tool


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """All of a tool's definition that a model or a policy sees.

    document: `name`, `title`, `description`, `inputSchema`, `outputSchema`, `annotations`, as they
    came over the wire, without what is empty.
    """

    document: Mapping[str, JsonValue]

    @property
    def name(self) -> str:
        """The name that the server knows it by."""
        return str(self.document["name"])

    @property
    def description(self) -> str:
        """What a model reads of it."""
        return str(self.document.get("description") or self.document.get("title") or "")

    @property
    def hints(self) -> Hints:
        """Its annotations."""
        given = self.document.get("annotations")
        hints = given if isinstance(given, dict) else {}

        def hint(name: str) -> bool | None:
            value = hints.get(name)
            return value if isinstance(value, bool) else None

        return Hints(
            hint("readOnlyHint"),
            hint("destructiveHint"),
            hint("idempotentHint"),
            hint("openWorldHint"),
        )

    @property
    def hash(self) -> str:
        """Hex sha256 of the definition: another one is another tool."""
        return hashlib.sha256(canonical_json(dict(self.document))).hexdigest()


def definition_of(tool: Tool) -> ToolDefinition:
    """The definition of a tool of a listing. Raises ValueError for what is no JSON."""
    document = tool.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"name", "title", "description", "input_schema", "output_schema", "annotations"},
    )
    canonical_json(document)
    return ToolDefinition(document)


def set_hash(tools: Mapping[str, str]) -> str:
    """Hex sha256 of a whole set of tools, by name and hash."""
    return hashlib.sha256(canonical_json(dict(tools))).hexdigest()
