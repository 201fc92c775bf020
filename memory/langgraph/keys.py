"""What may stand in a key: the same on both databases."""

from __future__ import annotations

from treadle.core.errors import InputError

KEY_BYTES = 2_400
"""The parts of a key together, in UTF-8: PostgreSQL indexes no more than about 2,700."""


def key_text(value: object, what: str, code: str = "bad_key") -> str:
    """`value` as text that both databases can keep.

    Raises InputError (`bad_key`, or another code) for a NUL and for half of a surrogate pair.
    """
    text = value if isinstance(value, str) else str(value)
    if "\0" in text:
        raise InputError(code, f"{what} has a NUL character in it: {text[:80]!r}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            code, f"{what} has half of a surrogate pair in it: {text[:80]!r}"
        ) from error
    return text


def check_length(*parts: str) -> None:
    """Raises InputError (`bad_key`) where the parts of a key are too long together."""
    size = sum(len(part.encode("utf-8")) for part in parts)
    if size > KEY_BYTES:
        raise InputError(
            "bad_key",
            f"a key of {size:,} bytes, beginning with {parts[0][:40]!r}: names and ids together "
            f"may have {KEY_BYTES:,}",
        )
