"""A tool that a model has written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from treadle.core.json_value import JsonValue, canonical_json
from treadle.tools.effect import Effect

PREFIX = "made."
"""Of the names under which made tools are registered: none can pass for another tool."""


@dataclass(frozen=True, slots=True)
class Example:
    """Arguments, and the result that they must give."""

    arguments: dict[str, JsonValue]
    result: JsonValue


@dataclass(frozen=True, slots=True)
class MadeTool:
    """One version of a tool that a model has written: its code, and what the code must do.

    name: of the function; it is registered as `made.NAME`.
    source: Python: imports, helpers and one public function.
    effect: pure or read, as whoever had it made declared.
    open_world: whether arguments from untrusted sources need approval to reach it.
    """

    name: str
    version: int
    source: str
    examples: tuple[Example, ...]
    effect: Effect = Effect.PURE
    open_world: bool = False

    @property
    def title(self) -> str:
        """The name under which it is registered."""
        return PREFIX + self.name

    @property
    def digest(self) -> str:
        """Hex sha256 of all that it is: what an approval is bound to."""
        return hashlib.sha256(canonical_json(self.as_json())).hexdigest()

    def as_json(self) -> dict[str, JsonValue]:
        """What is stored."""
        return {
            "name": self.name,
            "version": self.version,
            "source": self.source,
            "examples": [
                {"arguments": dict(each.arguments), "result": each.result} for each in self.examples
            ],
            "effect": str(self.effect),
            "open_world": self.open_world,
        }
