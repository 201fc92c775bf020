"""References: where a step's arguments come from.

`${step}` or `${step.field[0]['any key']}` inside a string refers to an earlier output. A string
that is exactly one reference keeps the type of what it refers to; mixed text is a template; `$${`
is a literal `${`; a `$` anywhere else is just a `$`. Before a brace each `$$` stands for one `$`,
so that `$$${price}` is a `$` and a reference. Values are parsed once, into the frozen
forms below, and resolved as often as needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from treadle.core.errors import PlanError, ToolError
from treadle.core.ids import STEP_ID
from treadle.core.json_value import JsonValue, as_text

MAX_DEPTH = 64
"""How deep arguments may nest."""

MAX_NAME = 128
"""Characters that the name of a step may have."""

_MAX_INTEGER_BITS = 14_000  # Python writes no longer integers as text (4,300 digits)

_PATH_PART = re.compile(
    r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(-?\d{1,9})\]|\['([^'\\]*)'\]|\[\"([^\"\\]*)\"\]"
)

Lookup: TypeAlias = Callable[[str], JsonValue]
"""From the name at the head of a reference to the value it stands for."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A scalar, as it stands."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Reference:
    """One earlier output, or a part of it: `step` and the way down into its value."""

    step: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return "${" + self.step + "".join(_path_text(part) for part in self.path) + "}"


@dataclass(frozen=True, slots=True)
class Template:
    """Text with references in it."""

    parts: tuple[str | Reference, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of parsed values."""

    items: tuple[Parsed, ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """An object with parsed values, in its order."""

    members: tuple[tuple[str, Parsed], ...]


Parsed: TypeAlias = Literal | Reference | Template | ListOf | ObjectOf
"""A JSON value with its references recognised."""


def parse_value(value: JsonValue, depth: int = 0) -> Parsed:
    """Recognise the references in `value`.

    Raises PlanError: `bad_reference` for a `${` that starts none, `too_deep`, `not_json` for a
    value that JSON cannot carry.
    """
    if depth > MAX_DEPTH:
        raise PlanError("too_deep", f"values may nest {MAX_DEPTH} deep, not more")
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        raise PlanError("not_json", "an integer of more than 4,000 digits")
    if value is None or isinstance(value, bool | int):
        return Literal(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise PlanError("not_json", f"{value} is not a JSON value")
        return Literal(value)
    if isinstance(value, list | tuple):
        return ListOf(tuple(parse_value(each, depth + 1) for each in value))
    if isinstance(value, dict):
        return ObjectOf(tuple(_parse_member(key, value[key], depth) for key in value))
    raise PlanError("not_json", f"a {type(value).__name__} is not a JSON value")


def to_wire(parsed: Parsed) -> JsonValue:
    """The JSON value that `parse_value` made `parsed` from."""
    match parsed:
        case Literal(value):
            return escape(value) if isinstance(value, str) else value
        case Reference():
            return str(parsed)
        case Template(parts):
            last = len(parts) - 1
            return "".join(
                str(part)
                if isinstance(part, Reference)
                else escape(part, before_reference=index < last)
                for index, part in enumerate(parts)
            )
        case ListOf(items):
            return [to_wire(each) for each in items]
        case ObjectOf(members):
            return {key: to_wire(each) for key, each in members}


def escape(text: str, *, before_reference: bool = False) -> str:
    """`text` in wire form, where it stands for itself: `${` becomes `$${`.

    before_reference: a reference follows, which a `$` at the end of `text` must not touch.
    """
    if "$" not in text:
        return text
    followed = r"\$+(?=\{|\Z)" if before_reference else r"\$+(?=\{)"
    return re.sub(followed, lambda dollars: dollars[0] * 2, text)


def resolve(parsed: Parsed, lookup: Lookup) -> JsonValue:
    """`parsed` with every reference replaced by what `lookup` gives for its step.

    Raises ToolError (`reference_not_found`) when an output has no such part.
    """
    match parsed:
        case Literal(value):
            return value
        case Reference():
            return follow(parsed, lookup(parsed.step))
        case Template(parts):
            return "".join(
                as_text(follow(part, lookup(part.step))) if isinstance(part, Reference) else part
                for part in parts
            )
        case ListOf(items):
            return [resolve(each, lookup) for each in items]
        case ObjectOf(members):
            return {key: resolve(each, lookup) for key, each in members}


def references(parsed: Parsed) -> Iterator[Reference]:
    """The references inside `parsed`, in order."""
    match parsed:
        case Reference():
            yield parsed
        case Template(parts):
            yield from (part for part in parts if isinstance(part, Reference))
        case ListOf(items):
            for each in items:
                yield from references(each)
        case ObjectOf(members):
            for _, each in members:
                yield from references(each)
        case Literal():
            return


def follow(reference: Reference, value: JsonValue) -> JsonValue:
    """The part of `value` that `reference` names. Raises ToolError (`reference_not_found`)."""
    for part in reference.path:
        if isinstance(part, int) and isinstance(value, list):
            if not -len(value) <= part < len(value):
                raise _not_found(reference, f"the list has {len(value)} items")
            value = value[part]
        elif isinstance(value, dict) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, dict):
            known = ", ".join(list(value)[:10]) or "nothing"
            raise _not_found(reference, f"there is no '{part}', only {known}")
        else:
            kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a scalar")
            raise _not_found(reference, f"'{part}' asks for a part of {kind}")
    return value


def _not_found(reference: Reference, reason: str) -> ToolError:
    return ToolError("reference_not_found", f"{reference} cannot be resolved: {reason}")


def _parse_member(key: object, value: JsonValue, depth: int) -> tuple[str, Parsed]:
    if not isinstance(key, str):
        raise PlanError("not_json", f"the key {key!r} of an object is not a text")
    if "${" in key:
        raise PlanError("bad_reference", f"the key '{key[:60]}' holds a reference; only values can")
    return key, parse_value(value, depth + 1)


def _parse_text(text: str) -> Parsed:
    if "${" not in text:
        return Literal(text)
    parts: list[str | Reference] = []
    pending: list[str] = []
    position = 0
    while (found := text.find("${", position)) >= 0:
        first = found
        while first > position and text[first - 1] == "$":
            first -= 1
        dollars = found - first + 1
        pending.append(text[position:first] + "$" * (dollars // 2))
        if dollars % 2 == 0:
            pending.append("{")
            position = found + 2
            continue
        reference, position = _parse_reference(text, found)
        if before := "".join(pending):
            parts.append(before)
        pending.clear()
        parts.append(reference)
    pending.append(text[position:])
    if after := "".join(pending):
        parts.append(after)
    if len(parts) == 1:
        only = parts[0]
        return only if isinstance(only, Reference) else Literal(only)
    return Template(tuple(parts))


def _parse_reference(text: str, start: int) -> tuple[Reference, int]:
    name = STEP_ID.match(text, start + 2)
    if name is None or len(name[0]) > MAX_NAME:
        raise _bad_reference(text, start)
    position = name.end()
    path: list[str | int] = []
    while part := _PATH_PART.match(text, position):
        field, index, single, double = part.groups()
        if index is not None:
            path.append(int(index))
        else:
            path.append(next(each for each in (field, single, double) if each is not None))
        position = part.end()
    if text[position : position + 1] != "}":
        raise _bad_reference(text, start)
    return Reference(name[0], tuple(path)), position + 1


def _bad_reference(text: str, start: int) -> PlanError:
    shown = text[start : start + 40].splitlines()[0]
    return PlanError(
        "bad_reference",
        f"'{shown}' is not a reference like ${{step}} or ${{step.field[0]}}; "
        f"write '$${{' for the characters themselves",
    )


def _path_text(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if STEP_ID.fullmatch(part):
        return f".{part}"
    return f'["{part}"]' if "'" in part else f"['{part}']"
