"""Secrets: where their values come from, and how they are kept out of everything else.

Values are resolved inside of the call that needs them. As a second line, a value that was resolved
in this process is taken out of outputs, errors, events, prompts and log records.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, quote_plus

from treadle.core.errors import TreadleError
from treadle.core.json_value import JsonValue

_NUMBER = re.compile(r"[1-9][0-9]{0,999}|(0|[1-9][0-9]{0,99})\.[0-9]{0,98}[1-9]", re.ASCII)
"""A number as it is written back; with leading zeros, another text comes back."""

SHORTEST = 6
"""Characters of a value that is recognised elsewhere; a shorter one is part of too many texts."""


class SecretProvider(Protocol):
    """Knows the values of secrets: the environment, a keyring, a vault."""

    def get(self, name: str) -> str | None:
        """The value of the secret `name`; None where there is none. It should not take long."""
        ...


class EnvironmentSecrets:
    """Secrets in environment variables of the same names; `prefix` stands before each."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def get(self, name: str) -> str | None:
        """The variable's value; None where it is not set, or empty."""
        return os.environ.get(self._prefix + name) or None


class KeptSecrets:
    """Secrets that a program has at hand already."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def get(self, name: str) -> str | None:
        """The value that was given."""
        return self._values.get(name)

    def __repr__(self) -> str:
        return f"KeptSecrets({', '.join(self._values)})"


_known: dict[str, str] = {}
"""From every spelling of a value to what stands in its place."""

_ordered: tuple[tuple[str, str], ...] = ()

_numbers: dict[int | float, str] = {}
"""The same for values that a number can spell: codes and account numbers come back as numbers."""


def remember(name: str, value: str) -> None:
    """From now on `value` is taken out of whatever leaves a tool; `name` stands in its place."""
    global _ordered
    if len(value) < SHORTEST or value in _known:
        return
    if not _known:
        logging.setLogRecordFactory(_redacting(logging.getLogRecordFactory()))
    for spelling in _spellings(value):
        _known.setdefault(spelling, f"[secret {name}]")
    # The longest first: one value may be part of another.
    for number in _as_numbers(value):
        _numbers.setdefault(number, f"[secret {name}]")
    _ordered = tuple(sorted(_known.items(), key=lambda each: -len(each[0])))


def redacted_text(text: str) -> str:
    """`text` without any value that was resolved in this process."""
    for value, instead in _ordered:
        if value in text:
            text = text.replace(value, instead)
    return text


def redacted(value: JsonValue) -> JsonValue:
    """`value` without any value that was resolved; itself where there is none in it."""
    if not _known:
        return value
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, list):
        return [redacted(each) for each in value]
    if isinstance(value, dict):
        return {redacted_text(key): redacted(each) for key, each in value.items()}
    if _numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return _numbers.get(abs(value), value)
    return value


def redact_error(error: TreadleError) -> None:
    """Take values that were resolved out of `error`, with what it was caused by."""
    error.message = redacted_text(error.message)
    error.args = (f"{error.code}: {error.message}",)
    # A foreign exception, which may quote a header or a URL; tracebacks show it.
    error.__cause__ = error.__context__ = None


def any_known() -> bool:
    """Whether a value was resolved in this process that is to be recognised."""
    return bool(_known)


def _spellings(value: str) -> set[str]:
    """How a value may stand in JSON, in a URL, in a header."""
    ascii_json = json.dumps(value)[1:-1]
    spellings = {
        value, ascii_json, json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe=""),
        quote(value), quote_plus(value), json.dumps(ascii_json)[1:-1], repr(value)[1:-1],
    }  # fmt: skip
    raw = value.encode("utf-8", "surrogatepass")
    spellings |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    spellings |= {base64.b64encode(raw).decode().rstrip("="), raw.hex(), *_within_base64(raw)}
    return {each for each in spellings if len(each) >= SHORTEST}


def _within_base64(raw: bytes) -> set[str]:
    """The characters that `raw` alone decides in the base64 of a longer text, such as the user and
    password of HTTP Basic: three bytes are four characters, so there are three ways to lie in it.
    """
    found: set[str] = set()
    for before in range(3):
        padded = bytes(before) + raw
        first, last = -(-before * 8 // 6), len(padded) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(padded).decode()[first:last])
    return found


def _as_numbers(value: str) -> set[int | float]:
    """The numbers whose text is `value`, where it has enough digits not to be any number."""
    if sum(each.isdigit() for each in value) < SHORTEST or not _NUMBER.fullmatch(value):
        return set()
    nearest = float(value)
    found: set[int | float] = {nearest} if math.isfinite(nearest) else set()
    return found if "." in value else found | {int(value)}


def _redacting(
    make: Callable[..., logging.LogRecord],
) -> Callable[..., logging.LogRecord]:
    """Libraries log URLs, and some keys are part of theirs."""

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        try:
            text = made.getMessage()
        except (TypeError, ValueError, KeyError):
            return made  # a wrong format, about which logging itself will complain
        clean = redacted_text(text)
        if clean != text:
            made.msg, made.args = clean, None
        if made.exc_info and made.exc_info[0] is not None:
            # Formatters take this text where it is there.
            made.exc_text = redacted_text(logging.Formatter().formatException(made.exc_info))
        if made.stack_info:
            made.stack_info = redacted_text(made.stack_info)
        return made

    return record
