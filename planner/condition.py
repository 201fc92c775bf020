"""`when`: a small expression over earlier outputs that decides whether a step runs.

References, literals, `len(...)`, comparisons, `in`, `and`, `or`, `not`; `true`, `false`, `null`
as in JSON. It is parsed by Python's parser and read by a whitelist; nothing is ever evaluated as
code.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from treadle.core.errors import PlanError, ToolError
from treadle.planner.reference import (
    Literal,
    Lookup,
    Reference,
    Template,
    follow,
    parse_value,
    resolve,
)

MAX_CHARACTERS = 2_000
MAX_NESTING = 30

_OPERATORS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.eq,
    ast.IsNot: operator.ne,
}
_NAMES = {"true": True, "false": False, "null": None}
_PLACEHOLDER = re.compile(r"__treadle_reference_(\d+)__")


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed `when`. Two conditions are equal when their texts are."""

    text: str
    references: tuple[Reference, ...]

    def holds(self, lookup: Lookup) -> bool:
        """Whether the condition holds for the outputs that `lookup` gives.

        Raises ToolError: `bad_condition` for values that cannot be compared,
        `reference_not_found`.
        """
        tree, found = _parse(self.text)
        try:
            return bool(_value(tree, found, lookup))
        except (TypeError, RecursionError) as error:
            raise ToolError("bad_condition", f"'{self.text}' cannot be decided: {error}") from None


def parse_condition(text: str) -> Condition:
    """Parse a `when`. Raises PlanError: `bad_condition`, `bad_reference`."""
    tree, found = _parse(text)
    _check(tree, text, 0)
    return Condition(text, found)


def _parse(text: str) -> tuple[ast.expr, tuple[Reference, ...]]:
    if len(text) > MAX_CHARACTERS:
        raise PlanError("bad_condition", f"a condition has at most {MAX_CHARACTERS} characters")
    if _PLACEHOLDER.search(text):
        raise PlanError("bad_condition", f"'{text[:80]}' uses a name that Treadle keeps for itself")
    found: list[Reference] = []
    parsed = parse_value(text)
    parts: tuple[str | Reference, ...]
    match parsed:
        case Template(parts):
            pass
        case Reference():
            parts = (parsed,)
        case Literal(str(literal)):
            parts = (literal,)
        case _:
            raise AssertionError("a text parses to one of these")
    source: list[str] = []
    for part in parts:
        if isinstance(part, Reference):
            source.append(f"__treadle_reference_{len(found)}__")
            found.append(part)
        else:
            source.append(part)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on '\\d' and the like: nobody there to read them
            return ast.parse("".join(source).strip(), mode="eval").body, tuple(found)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise PlanError("bad_condition", f"'{text[:80]}' is not a condition: {reason}") from None


def _check(node: ast.expr, text: str, depth: int) -> None:
    if depth > MAX_NESTING:
        raise PlanError("bad_condition", f"'{text[:80]}' nests more than {MAX_NESTING} deep")
    match node:
        case ast.Constant(value=str() | int() | float() | None):
            return None
        case ast.Name(id=name) if name in _NAMES or _PLACEHOLDER.fullmatch(name):
            return None
        case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]):
            return _check(argument, text, depth + 1)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return _check(operand, text, depth + 1)
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                _check(part, text, depth + 1)
            return None
        case ast.Compare(left=left, comparators=comparators):
            for part in (left, *comparators):
                _check(part, text, depth + 1)
            return None
    raise PlanError(
        "bad_condition",
        f"'{text[:80]}' may hold references, literals, comparisons, len(), in, and, or, not",
    )


def _value(node: ast.expr, found: tuple[Reference, ...], lookup: Lookup) -> Any:
    match node:
        case ast.Constant(value=str(text)):
            return _PLACEHOLDER.sub(lambda hit: _quoted(found[int(hit[1])], lookup), text)
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            hit = _PLACEHOLDER.fullmatch(name)
            if hit is None:
                return _NAMES[name]
            reference = found[int(hit[1])]
            return follow(reference, lookup(reference.step))
        case ast.Call(args=[argument]):
            return len(_value(argument, found, lookup))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, found, lookup)
        case ast.UnaryOp(operand=operand):
            return -_value(operand, found, lookup)
        case ast.BoolOp(op=kind, values=parts):
            # The operand that decides, as in Python: `(${found} or 0) > 3` compares a number.
            decided: Any = None
            for part in parts:
                decided = _value(part, found, lookup)
                if bool(decided) is isinstance(kind, ast.Or):
                    break
            return decided
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, found, lookup) for part in parts]
        case ast.Compare(left=left, ops=operators, comparators=comparators):
            return _compare(left, operators, comparators, found, lookup)
    raise AssertionError("the check lets nothing else through")


def _compare(
    left: ast.expr,
    operators: list[ast.cmpop],
    comparators: list[ast.expr],
    found: tuple[Reference, ...],
    lookup: Lookup,
) -> bool:
    value = _value(left, found, lookup)
    for each, comparator in zip(operators, comparators, strict=True):
        other = _value(comparator, found, lookup)
        if not _OPERATORS[type(each)](value, other):
            return False
        value = other
    return True


def _quoted(reference: Reference, lookup: Lookup) -> str:
    text = resolve(Template((reference,)), lookup)
    assert isinstance(text, str)
    return text
