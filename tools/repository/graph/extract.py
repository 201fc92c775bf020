"""Reading a file's facts off its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from treadle.core.errors import ToolError
from treadle.tools.repository.graph.facts import (
    ROOT,
    Binding,
    Defined,
    EdgeKind,
    FileFacts,
    Mention,
    NodeKind,
)
from treadle.tools.repository.graph.names import CALLED, annotated, dotted_name, own_nodes, targets
from treadle.tools.repository.selectors.outline import name_position, parsed
from treadle.tools.repository.source_text import SourceText

MAX_PARSED = 2 * 1024 * 1024
"""Bytes of a file that is taken apart; a larger one is a module and nothing else."""

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def facts_of(data: bytes, path: str, module: str) -> FileFacts:
    """The facts of a file; one that cannot be read is a module of which `broken` tells why.

    module: its dotted import name, by which relative imports are resolved.
    """
    whole = Defined("", NodeKind.MODULE, 1, 1, 1)
    if len(data) > MAX_PARSED:
        return FileFacts((whole,), (), (), broken=f"more than {MAX_PARSED:,} bytes")
    try:
        source = SourceText.decode(data, path)
    except ToolError as error:
        return FileFacts((whole,), (), (), broken=error.message)
    tree = parsed(source)
    if tree is None:
        return FileFacts((whole,), (), (), broken="syntax error")
    package = module if path.endswith(("__init__.py", "__init__.pyi")) else _parent(module)
    reader = _Reader(source, package)
    try:
        reader.read(tree)
    except RecursionError:
        return FileFacts((whole,), (), (), broken="nested too deeply")
    whole = Defined("", NodeKind.MODULE, 1, 1, len(source.lines))
    return FileFacts(
        (whole, *reader.defined),
        tuple(reader.mentions),
        tuple(reader.bindings),
        tuple(reader.stars),
    )


class _Reader:
    def __init__(self, source: SourceText, package: str) -> None:
        self.defined: list[Defined] = []
        self.mentions: list[Mention] = []
        self.bindings: list[Binding] = []
        self.stars: list[tuple[str, ...]] = []
        self._source, self._package = source, package

    def read(self, tree: ast.Module) -> None:
        self._body(tree.body, "", NodeKind.MODULE)

    def _body(self, body: Sequence[ast.stmt], inside: str, kind: NodeKind) -> None:
        for node in own_nodes(body):
            if isinstance(node, ast.ClassDef):
                self._class(node, inside)
            elif isinstance(node, _FunctionNode):
                self._function(node, inside, kind)
            elif isinstance(node, ast.Lambda):
                # Its parameters hide outer names only inside of it; taken as the whole scope's.
                self._parameters(node.args, inside)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node, inside)
            elif isinstance(node, ast.Call):
                self._mention(node.func, EdgeKind.CALLS, inside)
            elif isinstance(node, (ast.Name, ast.Attribute)):
                self._mention(node, EdgeKind.USES, inside)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                continue
            else:
                self._assigned(node, inside, kind)

    def _class(self, node: ast.ClassDef, inside: str) -> None:
        name = self._define(node, node.name, inside, NodeKind.CLASS)
        self._expressions(node.decorator_list, inside)
        for base in node.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            self._mention(plain, EdgeKind.INHERITS, name)
            dotted = dotted_name(plain)
            if dotted:
                self.bindings.append(Binding(name, "<base>", dotted, "alias", inside))
            if isinstance(base, ast.Subscript):
                self._expressions([base.slice], inside)
        self._expressions([each.value for each in node.keywords], inside)
        # The names of a class are seen in its own body, not in its methods.
        self._body(node.body, name, NodeKind.CLASS)

    def _function(self, node: _FunctionNode, inside: str, kind: NodeKind) -> None:
        method = kind is NodeKind.CLASS
        sort = NodeKind.METHOD if method else NodeKind.FUNCTION
        name = self._define(node, node.name, inside, sort)
        self._expressions(node.decorator_list, inside)
        arguments = node.args
        defaults = [*arguments.defaults, *(each for each in arguments.kw_defaults if each)]
        self._expressions(defaults, inside)
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each]
        annotations = [each.annotation for each in every if each.annotation]
        annotations += [node.returns] if node.returns else []
        self._expressions(annotations, name)
        self._parameters(arguments, name)
        if node.returns is not None and (result := annotated(node.returns)):
            self.bindings.append(Binding(name, "<result>", result, "type", name))
        first = (arguments.posonlyargs or arguments.args)[:1]
        plain = {dotted_name(each) for each in node.decorator_list}
        if method and first and ("staticmethod",) not in plain:
            how = "class" if ("classmethod",) in plain else "self"
            self.bindings.append(Binding(name, first[0].arg, (inside,), how))
        if ("property",) in plain or ("cached_property",) in plain:
            self.bindings.append(Binding(name, "<property>", (), "opaque"))
        self._body(node.body, name, sort)

    def _parameters(self, arguments: ast.arguments, name: str) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for each in every:
            kind = annotated(each.annotation) if each.annotation else ()
            how = "type" if kind else "opaque"
            self.bindings.append(Binding(name, each.arg, kind, how, name))
        for extra in (arguments.vararg, arguments.kwarg):
            if extra is not None:
                self.bindings.append(Binding(name, extra.arg, (), "opaque"))

    def _import(self, node: ast.Import | ast.ImportFrom, inside: str) -> None:
        base: tuple[str, ...] = ()
        if isinstance(node, ast.ImportFrom):
            base = self._base(node)
            column = self._column(node.lineno, node.col_offset) + len("from ")
            self.mentions.append(
                Mention(EdgeKind.IMPORTS, inside, (ROOT, *base), node.lineno, column)
            )
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(base)
                continue
            target = (*base, *alias.name.split("."))
            if isinstance(node, ast.ImportFrom) or alias.asname:
                name, stands_for = alias.asname or alias.name, target
            else:
                name, stands_for = target[0], target[:1]
            self.bindings.append(Binding(inside, name, stands_for, "import"))
            column = (
                self._column(alias.lineno, alias.col_offset) + len(alias.name) - len(target[-1])
            )
            mention = Mention(EdgeKind.IMPORTS, inside, (ROOT, *target), alias.lineno, column)
            self.mentions.append(mention)

    def _base(self, node: ast.ImportFrom) -> tuple[str, ...]:
        named = tuple(node.module.split(".")) if node.module else ()
        if not node.level:
            return named
        package = self._package.split(".") if self._package else []
        kept = package[: len(package) - node.level + 1]
        return (*kept, *named)

    def _assigned(self, node: ast.AST, inside: str, kind: NodeKind) -> None:
        for name, value, declared in targets(node):
            if isinstance(name, ast.Name) and name.id == "__all__":
                self._exported(value, inside)
            stands_for, how = _meaning(value, declared)
            if isinstance(name, ast.Attribute):
                owner = dotted_name(name)
                if len(owner) == 2 and owner[0] == "self" and "." in inside:
                    # What a method puts on `self` is a name of the class.
                    home = inside.rpartition(".")[0]
                    self.bindings.append(Binding(home, owner[1], stands_for, how, inside))
                continue
            if kind in (NodeKind.MODULE, NodeKind.CLASS):
                full = f"{inside}.{name.id}" if inside else name.id
                column = self._column(name.lineno, name.col_offset)
                last = getattr(node, "end_lineno", None) or name.lineno
                defined = Defined(full, NodeKind.VARIABLE, name.lineno, column, last)
                if not any(each.name == full for each in self.defined[-200:]):
                    self.defined.append(defined)
            self.bindings.append(Binding(inside, name.id, stands_for, how, inside))

    def _exported(self, value: ast.expr | None, inside: str) -> None:
        for each in value.elts if isinstance(value, (ast.List, ast.Tuple)) else ():
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                column = self._column(each.lineno, each.col_offset) + 1
                self.mentions.append(
                    Mention(EdgeKind.USES, inside, (each.value,), each.lineno, column)
                )

    def _expressions(self, expressions: Sequence[ast.expr], inside: str) -> None:
        wrapped: list[ast.stmt] = [ast.Expr(each) for each in expressions]
        self._body(wrapped, inside, NodeKind.MODULE)

    def _mention(self, node: ast.expr, kind: EdgeKind, inside: str) -> None:
        for dotted, each in _prefixes(node):
            # `a.b.c()` calls c, and uses b and a on the way.
            sort = kind if each is node else EdgeKind.USES
            line = each.end_lineno or each.lineno
            end = self._column(line, each.end_col_offset or 0)
            column = max(1, end - len(dotted[-1]))
            self.mentions.append(Mention(sort, inside, dotted, line, column))

    def _define(
        self, node: ast.ClassDef | _FunctionNode, name: str, inside: str, kind: NodeKind
    ) -> str:
        full = f"{inside}.{name}" if inside else name
        place = name_position(self._source, node, name)
        last = node.end_lineno or node.lineno
        self.defined.append(Defined(full, kind, place.line, place.column, last))
        return full

    def _column(self, line: int, offset: int) -> int:
        text = self._source.lines[line - 1] if line <= len(self._source.lines) else ""
        if text.isascii():
            return offset + 1
        return len(text.encode()[:offset].decode("utf-8", "ignore")) + 1


def _meaning(value: ast.expr | None, declared: ast.expr | None) -> tuple[tuple[str, ...], str]:
    if declared is not None and (kind := annotated(declared)):
        return kind, "type"
    plain = value.value if isinstance(value, ast.Await) else value
    if isinstance(plain, ast.Call) and (called := dotted_name(plain.func)):
        return called, "call"
    if plain is not None and (same := dotted_name(plain)):
        return same, "alias"
    return (), "opaque"


def _prefixes(node: ast.expr) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    dotted = dotted_name(node)
    each: ast.expr = node
    while dotted and dotted[-1] != CALLED:
        yield dotted, each
        dotted = dotted[:-1]
        each = each.value if isinstance(each, ast.Attribute) else each


def _parent(module: str) -> str:
    return module.rpartition(".")[0]
