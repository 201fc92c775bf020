"""What one file says about the code's structure, before names are looked up in other files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ROOT = "<root>"
"""The first part of a name that is looked up among the modules."""


class NodeKind(StrEnum):
    """What a node of the graph is."""

    MODULE = "module"
    CLASS = "class"
    FUNCTION = "function"
    METHOD = "method"
    VARIABLE = "variable"


class EdgeKind(StrEnum):
    """What one node has to do with another."""

    CONTAINS = "contains"
    CALLS = "calls"
    IMPORTS = "imports"
    INHERITS = "inherits"
    USES = "uses"


@dataclass(frozen=True, slots=True)
class Defined:
    """A definition: dotted name within its module (empty for the module itself), lines from 1."""

    name: str
    kind: NodeKind
    line: int
    column: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Mention:
    """A dotted name at a place in a file.

    inside: the definition that it stands in. dotted: `()` stands for the result of a call, and a
    leading ROOT for an absolute name. line, column: of its last part.
    """

    kind: EdgeKind
    inside: str
    dotted: tuple[str, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Binding:
    """A name of a scope that stands for something else.

    target: a dotted name, looked up from the scope `seen`. how: `import` (absolute), `call` (the
    result of calling it), `type` (an instance of it), `self` and `class` (of the class of that
    qualified name), `alias`, or `opaque` for what nobody knows.
    """

    scope: str
    name: str
    target: tuple[str, ...]
    how: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All that one file says; broken: why there is nothing but the module, if so."""

    defined: tuple[Defined, ...]
    mentions: tuple[Mention, ...]
    bindings: tuple[Binding, ...]
    stars: tuple[tuple[str, ...], ...] = ()
    broken: str = ""
