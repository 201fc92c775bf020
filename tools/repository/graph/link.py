"""From names to what they mean, over all files: without types, but for those written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from treadle.tools.repository.graph.facts import (
    ROOT,
    Binding,
    Defined,
    EdgeKind,
    FileFacts,
    Mention,
    NodeKind,
)
from treadle.tools.repository.graph.modules import ModuleNames
from treadle.tools.repository.graph.names import CALLED

_MOST_STEPS = 60
"""Names that one look-up may follow: re-exports and aliases can go in circles."""

Node = tuple[str, str]
"""A node: path and dotted name, empty for the module."""


class _Sort(Enum):
    MODULE = auto()
    CLASS = auto()
    FUNCTION = auto()
    INSTANCE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a name means: the node that it names, and what its value is."""

    node: Node | None
    sort: _Sort
    value: Node | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation at a place: line and column of the name in the source's file."""

    source: Node
    kind: EdgeKind
    target: Node
    line: int
    column: int


class Linker:
    """Looks names up in the facts of all files."""

    def __init__(self, facts: Mapping[str, FileFacts], modules: ModuleNames) -> None:
        self._facts, self._modules = facts, modules
        self._defined: dict[str, dict[str, Defined]] = {}
        self._bound: dict[str, dict[tuple[str, str], list[Binding]]] = {}
        self._known: dict[tuple[str, str, str], _Meaning | None] = {}
        self._steps = 0
        for path, each in facts.items():
            defined = self._defined[path] = {}
            for one in each.defined:
                defined.setdefault(one.name, one)
            bound = self._bound[path] = {}
            for binding in each.bindings:
                bound.setdefault((binding.scope, binding.name), []).append(binding)

    def edges(self, path: str) -> Iterator[Edge]:
        """The relations that start in a file, each once per place."""
        defined = self._defined[path]
        for one in defined.values():
            if one.name:
                parent = one.name.rpartition(".")[0]
                inside = parent if parent in defined else ""
                kind = EdgeKind.CONTAINS
                yield Edge((path, inside), kind, (path, one.name), one.line, one.column)
        for mention in self._facts[path].mentions:
            target = self.target(path, mention)
            inside = mention.inside if mention.inside in defined else ""
            if target is not None:
                yield Edge((path, inside), mention.kind, target, mention.line, mention.column)

    def target(self, path: str, mention: Mention) -> Node | None:
        """The node that a mention means; None for what lies outside, or is not known."""
        self._steps = 0
        meaning = self._dotted(path, mention.inside, mention.dotted)
        return meaning.node if meaning is not None else None

    def _dotted(self, path: str, scope: str, dotted: tuple[str, ...]) -> _Meaning | None:
        if not dotted or self._steps > _MOST_STEPS:
            return None
        if dotted[0] == ROOT:
            return self._absolute(dotted[1:])
        meaning = self._visible(path, scope, dotted[0])
        for part in dotted[1:]:
            if meaning is None:
                return None
            meaning = self._called(meaning) if part == CALLED else self._member(meaning, part)
        return meaning

    def _absolute(self, dotted: tuple[str, ...]) -> _Meaning | None:
        for length in range(len(dotted), 0, -1):
            path = self._modules.path(".".join(dotted[:length]))
            if path is None:
                continue
            meaning: _Meaning | None = _module(path)
            for part in dotted[length:]:
                meaning = self._member(meaning, part) if meaning is not None else None
            return meaning
        return None

    def _visible(self, path: str, scope: str, name: str) -> _Meaning | None:
        for each in self._scopes(path, scope):
            if self._has(path, each, name):
                return self._in_scope(path, each, name)
        return self._starred(path, name)

    def _scopes(self, path: str, scope: str) -> Iterator[str]:
        """The scopes whose names are seen in `scope`: a class's are not, in its methods."""
        defined, here = self._defined[path], scope
        while here:
            found = defined.get(here)
            if here == scope or found is None or found.kind is not NodeKind.CLASS:
                yield here
            here = here.rpartition(".")[0]
        yield ""

    def _has(self, path: str, scope: str, name: str) -> bool:
        full = f"{scope}.{name}" if scope else name
        return full in self._defined[path] or (scope, name) in self._bound[path]

    def _in_scope(self, path: str, scope: str, name: str) -> _Meaning | None:
        key = (path, scope, name)
        if key in self._known:
            return self._known[key]
        self._steps += 1
        if self._steps > _MOST_STEPS:
            return None
        self._known[key] = None  # what leads back here leads nowhere
        full = f"{scope}.{name}" if scope else name
        one = self._defined[path].get(full)
        if one is None or one.kind is NodeKind.VARIABLE:
            node = (path, full) if one is not None else None
            meaning = self._bound_meaning(path, scope, name, node)
        else:
            sort = _Sort.CLASS if one.kind is NodeKind.CLASS else _Sort.FUNCTION
            meaning = _Meaning((path, full), sort, (path, full))
        self._known[key] = meaning
        return meaning

    def _bound_meaning(
        self, path: str, scope: str, name: str, node: Node | None
    ) -> _Meaning | None:
        """What is bound to a name; the first binding that says something counts."""
        for binding in self._bound[path].get((scope, name), ()):
            meaning = self._binding(path, binding)
            if meaning is not None:
                shown = meaning.node if binding.how == "import" and node is None else node
                return _Meaning(shown, meaning.sort, meaning.value)
        return _Meaning(node, _Sort.UNKNOWN) if node is not None else None

    def _binding(self, path: str, binding: Binding) -> _Meaning | None:
        if binding.how == "import":
            return self._absolute(binding.target)
        if binding.how in ("self", "class"):
            sort = _Sort.INSTANCE if binding.how == "self" else _Sort.CLASS
            return _Meaning(None, sort, (path, binding.target[0]))
        if binding.how == "opaque":
            return None
        meaning = self._dotted(path, binding.seen, binding.target)
        if meaning is None or binding.how == "alias":
            return meaning
        if binding.how == "call":
            return self._called(meaning)
        return _Meaning(None, _Sort.INSTANCE, meaning.value) if _is_class(meaning) else None

    def _called(self, meaning: _Meaning) -> _Meaning | None:
        if _is_class(meaning):
            return _Meaning(None, _Sort.INSTANCE, meaning.value)
        if meaning.sort is _Sort.FUNCTION and meaning.value is not None:
            path, name = meaning.value
            return self._bound_meaning(path, name, "<result>", None)
        return None

    def _member(self, meaning: _Meaning, name: str) -> _Meaning | None:
        if meaning.value is None:
            return None
        path, full = meaning.value
        if meaning.sort is _Sort.MODULE:
            if self._has(path, "", name):
                return self._in_scope(path, "", name)
            inner = self._modules.path(f"{self._modules.name(path)}.{name}")
            return _module(inner) if inner is not None else self._starred(path, name)
        if meaning.sort in (_Sort.CLASS, _Sort.INSTANCE):
            found = self._of_class(path, full, name, set())
            return self._read(found) if found is not None else None
        return None

    def _read(self, meaning: _Meaning) -> _Meaning:
        """A property is what it gives."""
        if meaning.sort is not _Sort.FUNCTION or meaning.value is None:
            return meaning
        path, name = meaning.value
        if (name, "<property>") not in self._bound[path]:
            return meaning
        result = self._bound_meaning(path, name, "<result>", None)
        return _Meaning(meaning.node, result.sort, result.value) if result else meaning

    def _of_class(self, path: str, name: str, member: str, seen: set[Node]) -> _Meaning | None:
        if (path, name) in seen:
            return None
        seen.add((path, name))
        if self._has(path, name, member):
            return self._in_scope(path, name, member)
        for binding in self._bound[path].get((name, "<base>"), ()):
            base = self._binding(path, binding)
            if base is not None and _is_class(base) and base.value is not None:
                found = self._of_class(*base.value, member, seen)
                if found is not None:
                    return found
        return None

    def _starred(self, path: str, name: str) -> _Meaning | None:
        self._steps += 1
        if self._steps > _MOST_STEPS or name.startswith("_"):
            return None
        for base in self._facts[path].stars:
            module = self._absolute(base)
            if module is not None and module.sort is _Sort.MODULE:
                found = self._member(module, name)
                if found is not None:
                    return found
        return None


def _module(path: str) -> _Meaning:
    return _Meaning((path, ""), _Sort.MODULE, (path, ""))


def _is_class(meaning: _Meaning) -> bool:
    return meaning.sort is _Sort.CLASS and meaning.value is not None
