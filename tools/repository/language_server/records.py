"""What a language server knows, in positions that people count in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from treadle.tools.repository.source_text import Position


class Severity(StrEnum):
    """How bad a diagnostic is."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"
    HINT = "hint"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A range in a file; `path` is relative to the workspace, absolute when it lies outside."""

    path: str
    start: Position
    end: Position
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A fault that the server found; `rule` names what it breaks, empty where nothing does."""

    location: Location
    severity: Severity
    message: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named thing in the code; `container` is the dotted name of what it lies in."""

    name: str
    kind: str
    location: Location
    container: str = ""

    @property
    def qualified_name(self) -> str:
        """The dotted name within the file."""
        return f"{self.container}.{self.name}" if self.container else self.name


@dataclass(frozen=True, slots=True)
class TextEdit:
    """One replacement that a server proposes."""

    location: Location
    text: str


SYMBOL_KINDS = (
    "file",
    "module",
    "namespace",
    "package",
    "class",
    "method",
    "property",
    "field",
    "constructor",
    "enum",
    "interface",
    "function",
    "variable",
    "constant",
    "string",
    "number",
    "boolean",
    "array",
    "object",
    "key",
    "null",
    "member",
    "struct",
    "event",
    "operator",
    "type_parameter",
)
"""The names of the protocol's symbol kinds, which count from 1."""
