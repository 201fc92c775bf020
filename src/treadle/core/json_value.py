"""What crosses every edge: JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A value that JSON can carry. NaN and infinities are not among them."""

JsonSchema: TypeAlias = Mapping[str, JsonValue]
"""A JSON Schema (2020-12) document."""


def compact_json(value: object) -> str:
    """`value` as compact JSON text, keys in their order.

    Raises ValueError for NaN, infinities and cycles and TypeError for what JSON cannot carry.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def storable_json(value: object) -> str:
    """`value` as compact JSON in ASCII: databases refuse a NUL, and half of a surrogate pair.

    Raises ValueError for NaN, infinities and cycles and TypeError for what JSON cannot carry.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def canonical_json(value: object) -> bytes:
    """`value` as bytes that are equal for equal values: sorted keys, no spaces, ASCII only.

    Raises ValueError for NaN, infinities and cycles and TypeError for what JSON cannot carry.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def as_text(value: JsonValue) -> str:
    """`value` as it reads inside a text: strings bare, everything else as compact JSON."""
    return value if isinstance(value, str) else compact_json(value)
