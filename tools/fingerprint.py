"""What a tool was when a run called it: a hash that changes when its schema or its code does."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable
from types import CodeType

from treadle.core.json_value import JsonValue, canonical_json


def fingerprint_of(described: JsonValue, function: Callable[..., object]) -> str:
    """Hex sha256 of a description and of the code of `function`."""
    return hashlib.sha256(canonical_json([described, code_of(function)])).hexdigest()


def code_of(function: Callable[..., object]) -> str:
    """The source text of `function`, or its compiled code where there is no source."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    source: object = function
    if code is None and not inspect.ismethod(function) and not inspect.isbuiltin(function):
        source = type(function)  # an object that can be called: its class
        code = getattr(type(function).__call__, "__code__", None)
    try:
        return inspect.getsource(source)  # type: ignore[arg-type]
    except (OSError, TypeError):
        pass  # typed into a shell, made by exec, or written in C
    if isinstance(code, CodeType):
        return _compiled(code)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _compiled(code: CodeType) -> str:
    constants = [_constant(each) for each in code.co_consts]
    return f"{code.co_code.hex()} [{', '.join(constants)}] {code.co_names!r}"


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _compiled(value)
    if isinstance(value, frozenset):
        # The order of a set differs from process to process.
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(value)
