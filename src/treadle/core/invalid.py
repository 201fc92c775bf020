"""What is wrong with a value, in the words of whoever checked it."""

from __future__ import annotations

from collections.abc import Mapping

_PREFIXES = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
"""What pydantic puts before what a check of ours has raised."""


def reason_of(problem: Mapping[str, object]) -> str:
    """The message of one of `ValidationError.errors()`, without the name of the exception."""
    text = str(problem["msg"])
    prefix = _PREFIXES.get(str(problem["type"]))
    if prefix is not None:
        return text.removeprefix(prefix)
    # It goes on where a sentence has begun, unless it begins with an abbreviation.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
