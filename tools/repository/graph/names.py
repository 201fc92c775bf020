"""Names in a syntax tree: dotted, annotated, assigned."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WRAPPERS = frozenset({"Optional", "Annotated", "Final", "ClassVar", "Type", "type", "Required"})

CALLED = "()"
"""In a dotted name: the result of calling what stands before it."""


def dotted_name(node: ast.AST | None) -> tuple[str, ...]:
    """`a.b.c` as its parts; `f().x` as `f`, `()`, `x`; empty for any other expression."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call) and parts:
            parts.append(CALLED)
            node = node.func
        elif isinstance(node, ast.Await) and parts:
            node = node.value
        elif isinstance(node, ast.Name):
            return (node.id, *reversed(parts))
        else:
            return ()


def annotated(node: ast.expr | None) -> tuple[str, ...]:
    """The class that an annotation names: its first that is not None; empty for a container."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return annotated(ast.parse(node.value, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ()
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return annotated(node.left) or annotated(node.right)
    if isinstance(node, ast.Subscript):
        name = dotted_name(node.value)
        if name and name[-1] in _WRAPPERS:
            inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
            return annotated(inner)
        return name
    return dotted_name(node)


def own_nodes(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a body that belong to its own scope, definitions in it included, in order.

    Of a dotted name only the whole is given, and of a call's function only the call.
    """
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _SCOPES):
            continue
        skipped: ast.AST | None = node.func if isinstance(node, ast.Call) else None
        if skipped is not None and not dotted_name(skipped):
            skipped = None
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Attribute) and dotted_name(node):
            children = _calls_in(node)
        elif skipped is not None:
            children = [*_calls_in(skipped), *(child for child in children if child is not skipped)]
        waiting.extend(reversed(children))


def targets(
    node: ast.AST,
) -> Iterator[tuple[ast.Name | ast.Attribute, ast.expr | None, ast.expr | None]]:
    """The names that a node binds, each with its value and its annotation where they are known."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, (ast.Name, ast.Attribute)):
                yield target, node.value, None
            else:
                yield from _unpacked(target)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, (ast.Name, ast.Attribute)):
        yield node.target, node.value, node.annotation
    elif isinstance(node, ast.NamedExpr):
        yield node.target, node.value, None
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield from _unpacked(node.target)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        if isinstance(node.optional_vars, ast.Name):
            yield node.optional_vars, node.context_expr, None
        else:
            yield from _unpacked(node.optional_vars)


def _unpacked(target: ast.AST) -> Iterator[tuple[ast.Name, None, None]]:
    for each in ast.walk(target):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each, None, None


def _calls_in(node: ast.AST) -> list[ast.AST]:
    """The calls inside a dotted name (`f(x).y`), which have names of their own."""
    while isinstance(node, (ast.Attribute, ast.Await)):
        node = node.value
    return [node] if isinstance(node, ast.Call) else []
