"""What may be remembered, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue, storable_json
from treadle.core.taint import Labels
from treadle.memory.kinds import Origin

MOST_BYTES = 1 << 20
"""Of the text of one episode, in UTF-8."""

MOST_NAME = 500
"""Characters of an actor, a source, a thread, a key, a subject or a predicate."""

MOST_OBJECT = 4_000
"""Characters of the object of a fact."""

MOST_METADATA = 1 << 16
"""Bytes of the metadata of one episode, as JSON."""


def accepted_text(text: str) -> str:
    """`text`, if it can be remembered.

    Raises InputError: `empty_text`, `text_too_long`, or `bad_text` for what is no text.
    """
    _check_characters(text, "the text")
    if not text.strip():
        raise InputError("empty_text", "there is nothing to remember: the text is empty")
    size = len(text) if text.isascii() else len(text.encode())
    if size > MOST_BYTES:
        raise InputError(
            "text_too_long",
            f"a text of {size:,} bytes; {MOST_BYTES:,} are allowed. Keep it as an artifact, which "
            "is read in ranges, and remember what it is about",
        )
    return text


def accepted_name(text: str, what: str, most: int = MOST_NAME) -> str:
    """`text`, if it can be `what`: an actor, a thread ... Raises InputError (`bad_text`)."""
    _check_characters(text, what)
    if len(text) > most:
        raise InputError("bad_text", f"{what} has {len(text):,} characters; {most:,} are allowed")
    return text


def accepted_metadata(metadata: Mapping[str, JsonValue] | None) -> str:
    """`metadata` as JSON text. Raises InputError (`bad_metadata`)."""
    if not metadata:
        return "{}"
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        raise InputError("bad_metadata", "metadata is a mapping of texts to JSON values")
    try:
        made = storable_json(dict(metadata))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError("bad_metadata", f"metadata is no JSON: {error}") from error
    if len(made) > MOST_METADATA:
        raise InputError(
            "bad_metadata", f"metadata of {len(made):,} bytes; {MOST_METADATA:,} are allowed"
        )
    return made


def accepted_origin(origin: str) -> Origin:
    """`origin` as one of those that there are. Raises InputError (`bad_text`)."""
    try:
        return Origin(origin)
    except ValueError:
        known = ", ".join(Origin)
        raise InputError("bad_text", f"an origin of {origin!r}: it is one of {known}") from None


def check_labels(taint: Labels) -> None:
    """Raises InputError (`bad_text`) for what is no set of labels."""
    if isinstance(taint, str | bytes) or not isinstance(taint, Collection):
        raise InputError("bad_text", "taint is a set of labels, and not a single text")
    for label in taint:
        accepted_name(label, "a label")


def _check_characters(text: str, what: str) -> None:
    if not isinstance(text, str):
        raise InputError("bad_text", f"{what} is of type {type(text).__name__}, and not a text")
    if "\0" in text:
        raise InputError(
            "bad_text", f"{what} has a NUL character, as binary files do: no text has one"
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                "bad_text",
                f"{what} has half a character (a lone surrogate) at position {error.start}: decode "
                "it with the right encoding",
            ) from None
