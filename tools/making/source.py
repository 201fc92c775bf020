"""Reading the code of a tool without running any of it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, cast

from treadle.core.errors import ToolError

MOST_CHARACTERS = 20_000
"""Of a tool's source."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLAIN: dict[str, object] = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "Any": Any,
}  # fmt: skip
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """What a source says of its one public function.

    text: the source in one normal form: comments and layout do not count.
    """

    name: str
    text: str
    docstring: str
    signature: inspect.Signature

    def described(self, function: Callable[..., object]) -> Callable[..., object]:
        """`function` with the name, types and documentation that the source declares."""
        function.__name__ = self.name
        function.__doc__ = self.docstring
        function.__annotations__ = {
            **{each.name: each.annotation for each in self.signature.parameters.values()},
            "return": self.signature.return_annotation,
        }
        function.__signature__ = self.signature  # type: ignore[attr-defined]
        return function


def read_source(source: str) -> FunctionSource:
    """Read `source`: imports, constants, helpers (`_name`) and one public, typed function.

    What stands in a source is not trusted, and is not run here; this looks at its shape only, and
    is no boundary. Raises ToolError (`bad_tool_source`) that says what to write instead.
    """
    if len(source) > MOST_CHARACTERS:
        raise _bad(f"it has {len(source):,} characters; write at most {MOST_CHARACTERS:,}")
    try:
        module = ast.parse(source)
        text = ast.unparse(module)
    except SyntaxError as error:
        raise _bad(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise _bad("it is no Python that can be read") from None
    public: list[ast.FunctionDef] = []
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef) and not statement.name.startswith("_"):
            public.append(statement)
        elif not _is_definition(statement):
            raise _bad(
                f"line {statement.lineno}: beside functions there may be imports and constants only"
            )
    if len(public) != 1:
        raise _bad(f"it has {len(public)} public functions; write one, and helpers as _name")
    return _function(public[0], text)


def _function(function: ast.FunctionDef, text: str) -> FunctionSource:
    if not _NAME.fullmatch(function.name):
        raise _bad("name the function in lowercase letters, digits and _, at most 64")
    if function.decorator_list:
        raise _bad("the public function has a decorator; write it without")
    docstring = ast.get_docstring(function)
    if not docstring:
        raise _bad("the public function has no docstring; say what it does, and its arguments")
    if function.returns is None:
        raise _bad("the public function does not say what it returns; annotate it")
    signature = inspect.Signature(
        _parameters(function.args), return_annotation=_type(function.returns, 0)
    )
    return FunctionSource(function.name, text, docstring, signature)


def _parameters(arguments: ast.arguments) -> list[inspect.Parameter]:
    if arguments.posonlyargs or arguments.vararg or arguments.kwarg:
        raise _bad("every parameter of the public function is passed by name; no *, ** or /")
    missing = len(arguments.args) - len(arguments.defaults)
    defaults = [*[None] * missing, *arguments.defaults, *arguments.kw_defaults]
    found: list[inspect.Parameter] = []
    for given, default in zip([*arguments.args, *arguments.kwonlyargs], defaults, strict=True):
        if given.annotation is None:
            raise _bad(f"parameter '{given.arg}' has no type; annotate it")
        value: object = inspect.Parameter.empty
        if default is not None:
            try:
                value = ast.literal_eval(default)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                raise _bad(f"the default of '{given.arg}' is no literal") from None
        # Keyword-only, so that one with a default may stand before one without.
        found.append(
            inspect.Parameter(
                given.arg,
                inspect.Parameter.KEYWORD_ONLY,
                default=value,
                annotation=_type(given.annotation, 0),
            )
        )
    return found


def _type(node: ast.expr, depth: int) -> Any:
    """The type that an annotation names: JSON's types, and nothing that would have to be run."""
    if depth > _DEEPEST:
        raise _bad("a type is nested too deep")
    match node:
        case ast.Constant(value=None):
            return NoneType
        case ast.Name(id=name) if name in _PLAIN:
            return _PLAIN[name]
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _type(left, depth + 1) | _type(right, depth + 1)
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return list[_type(inner, depth + 1)]  # type: ignore[misc]
        case ast.Subscript(
            value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), inner])
        ):
            return dict[str, _type(inner, depth + 1)]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            return _literal(inner)
    raise _bad(
        f"the type {ast.unparse(node)[:60]} is none of str, int, float, bool, None, Any, list[...],"
        f" dict[str, ...], Literal[...] and unions of them"
    )


def _literal(inner: ast.expr) -> Any:
    choices = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    values: list[object] = []
    for each in choices:
        if not isinstance(each, ast.Constant) or not isinstance(each.value, str | int | None):
            raise _bad("a Literal holds texts, whole numbers, truth values and None only")
        values.append(each.value)
    return cast(Any, Literal)[tuple(values)]


def _is_definition(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(isinstance(each, ast.Name) for each in targets)
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    return isinstance(statement, kinds)


def _bad(reason: str) -> ToolError:
    return ToolError("bad_tool_source", f"the tool's source: {reason}")
