"""Arithmetic: a parser and a whitelist, never eval."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from treadle.core.errors import ToolError
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

MAX_CHARACTERS = 10_000
MAX_BITS = 14_000
"""Bits of a whole number: about 4,200 digits, as many as Python reads back from JSON."""

Number: TypeAlias = int | float

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: _divided(left, right),
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "gcd": math.gcd,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "mean": lambda first, *rest: sum(rest, first) / (len(rest) + 1),
    "min": min,
    "round": lambda number, digits=0: _rounded(number, digits),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": lambda *numbers: sum(numbers),
    "tan": math.tan,
}
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "\0"})
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
# Not from within a number: starting anew at each of its digits would take quadratic time.
_PERCENT_OF = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*%\s*of\b", re.IGNORECASE)
# "17% - 5" takes a percentage, "17 % -5" a remainder; at an end there is nothing to divide by.
_PERCENT = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)(?:%(?=\s*[-+*/),])|\s*%(?=\s*(?:$|[),])))")
_FOREIGN = re.compile(r"[^\w\s.,+*/%()\[\]-]")
# "1if 1else 1": Python would warn of it on stderr before refusing it.
_GLUED = re.compile(r"(?<![\w.])[\d.]*\d(?![eE][-+]?\d)[^\W\d]")


@tool(effect=Effect.PURE)
def calculate(expression: str) -> int | float:
    """Evaluate an arithmetic expression.

    Knows + - * / // % ** (or ^), parentheses, sqrt, abs, round, min, max, sum, mean, floor, ceil,
    log, log2, log10, exp, sin, cos, tan, factorial, gcd, pi, e, and "15% of 240". Results are
    rounded to 15 significant digits.

    Args:
        expression: such as (3 + 4) * 2 ** 10
    """
    if len(expression) > MAX_CHARACTERS:
        raise ToolError("bad_expression", f"at most {MAX_CHARACTERS:,} characters are evaluated")
    try:
        tree = ast.parse(_normalised(expression), mode="eval").body
        value = _value(tree)
    except ZeroDivisionError:
        raise ToolError("division_by_zero", f"'{_shown(expression)}' divides by zero") from None
    except OverflowError:
        raise ToolError("number_too_large", f"'{_shown(expression)}' gets too large") from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ToolError(
            "bad_expression", f"'{_shown(expression)}' cannot be evaluated: {reason}"
        ) from None
    return _plain(value)


def arithmetic_tools() -> tuple[Tool, ...]:
    """The tools that calculate."""
    return (calculate,)


def _normalised(expression: str) -> str:
    text = expression.strip().rstrip("=?").strip().translate(_SIGNS).replace("\0", "**")
    text = _PERCENT_OF.sub(r"(\1/100) *", text)
    text = _PERCENT.sub(r"(\1/100)", text)
    if "(" not in text or not re.search(r"[a-z]\s*\(", text):
        text = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    if foreign := _FOREIGN.search(text):
        raise ValueError(f"{foreign[0]!r} is not arithmetic")
    if glued := _GLUED.search(text):
        raise ValueError(f"{glued[0][-20:]!r} is not a number")
    if "\n" in text:
        text = f"({text})"
    return text


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(op=operation) as chain if type(operation) in _BINARY:
            return _chain(chain)
        case ast.Call(func=ast.Name(id="factorial"), args=[argument], keywords=[]):
            return _factorial(_value(argument))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            values = _values(arguments)
            try:
                return _bounded(_FUNCTIONS[name](*values))
            except TypeError:
                raise ValueError(f"{name}() does not take these {len(values)} values") from None
    raise ValueError(f"'{ast.unparse(node)[:60]}' is not arithmetic")


def _chain(node: ast.BinOp) -> Number:
    """A sum of many numbers is deep on its left side only: followed without recursion."""
    pending: list[tuple[Callable[[Any, Any], Any], ast.expr]] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and type(left.op) in _BINARY:
        pending.append((_BINARY[type(left.op)], left.right))
        left = left.left
    value = _value(left)
    for operation, right in reversed(pending):
        value = _bounded(operation(value, _value(right)))
    return value


def _values(nodes: Sequence[ast.expr]) -> list[Number]:
    values: list[Number] = []
    for node in nodes:
        if isinstance(node, ast.List | ast.Tuple):
            values += _values(node.elts)
        else:
            values.append(_value(node))
    return values


def _power(base: Number, exponent: Number) -> Number:
    # Decided before it is computed: 9**9**9 would keep the machine busy for hours.
    if isinstance(base, int) and isinstance(exponent, int):
        if abs(base) > 1 and abs(base).bit_length() * exponent > MAX_BITS:
            raise OverflowError
        return _bounded(base**exponent)
    value = base**exponent
    if isinstance(value, complex):
        raise ValueError("the root of a negative number is not real")
    return _bounded(value)


def _divided(left: Number, right: Number) -> Number:
    """Exact where it comes out even, however large the numbers."""
    if isinstance(left, int) and isinstance(right, int) and right and left % right == 0:
        return left // right
    return left / right


def _rounded(number: Number, digits: Number = 0) -> Number:
    # round(5, -10**9) would compute 10**10**9.
    if isinstance(digits, float) or abs(digits) > MAX_BITS:
        raise ValueError("round() takes a whole number of digits, not that many")
    return round(number, digits) if digits else round(number)


def _factorial(number: Number) -> Number:
    if isinstance(number, float) and not number.is_integer():
        raise ValueError("factorial() takes whole numbers")
    if number > 3_000:
        raise OverflowError
    return math.factorial(int(number))


def _bounded(value: Number) -> Number:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise OverflowError
        return value
    if not math.isfinite(value):
        raise OverflowError
    return value


def _plain(value: Number) -> Number:
    """0.1 + 0.2 is 0.3 and 8 / 2 is 4 for people; 15 digits are what a float can promise."""
    if isinstance(value, int):
        return value
    if value.is_integer() and abs(value) <= 2**53:
        return int(value)
    rounded = float(f"{value:.15g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 10**15 else rounded


def _shown(expression: str) -> str:
    text = " ".join(expression.split())
    return text if len(text) <= 80 else f"{text[:77]}..."
