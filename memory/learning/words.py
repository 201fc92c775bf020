"""How the parts of this folder read texts, and what they take in."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, cast

from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue, storable_json
from treadle.core.taint import CLEAN, Labels, listed

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w+")


def plain(text: str) -> str:
    """`text` on one line, with single spaces, composed (NFC)."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def key_of(text: str) -> str:
    """What is the same for names that differ in case, width or spaces only."""
    return plain(unicodedata.normalize("NFKC", text)).casefold()


def words_of(text: str) -> list[str]:
    """The words of `text`, folded, in order."""
    return _WORD.findall(key_of(text))


def checked(what: str, text: str, most: int) -> str:
    """`text`, which can be stored.

    Raises InputError: `empty_text`, `text_too_long` for more than `most` characters, and `bad_text`
    for a NUL or half of a surrogate pair in it.
    """
    if not text.strip():
        raise InputError("empty_text", f"{what} is empty")
    if len(text) > most:
        raise InputError(
            "text_too_long", f"{what} has {len(text):,} characters; {most:,} are allowed"
        )
    if not storable(text):
        raise InputError(
            "bad_text", f"{what} has a NUL or half a character (a lone surrogate) in it"
        )
    return text


def storable(text: str) -> bool:
    """Whether databases keep `text`."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def shortened(text: str, most: int) -> str:
    """`text` in at most `most` characters, storable."""
    kept = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def dumped_labels(labels: Iterable[str]) -> str:
    """Labels as a column keeps them."""
    return storable_json(list(listed(labels)))


def read_labels(text: str) -> Labels:
    """What `dumped_labels` made."""
    return frozenset(json.loads(text)) if text else CLEAN


def dumped(value: Mapping[str, JsonValue] | list[JsonValue]) -> str:
    """A value as a column keeps it. Raises InputError (`not_json`) for what JSON cannot carry."""
    try:
        return storable_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError("not_json", f"no JSON value: {error}") from None


def read_object(text: str) -> dict[str, JsonValue]:
    """A JSON object out of a column."""
    return cast(dict[str, JsonValue], json.loads(text))


def read_texts(text: str) -> tuple[str, ...]:
    """A JSON list of texts out of a column."""
    found: list[Any] = json.loads(text)
    return tuple(str(each) for each in found)
