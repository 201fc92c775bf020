"""Encoded text that holds more text."""

from __future__ import annotations

import base64
import binascii
import re

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{40,}={0,2}(?![A-Za-z0-9+/_=-])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){24,}(?![0-9A-Za-z])")
_ESCAPED = re.compile(
    r"(?:\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|&#x?[0-9A-Fa-f]{2,6};){12,}"
)

_MOST = 20
_LONGEST = 20_000


def payloads_in(text: str) -> list[tuple[int, str]]:
    """Encoded passages of `text` that decode to readable text: where, and what they say.

    Base64, hexadecimal, and long runs of escapes; a hash or a key decodes to nothing readable.
    """
    found: list[tuple[int, str]] = []
    for expression, decode in (
        (_HEX, _from_hex),
        (_BASE64, _from_base64),
        (_ESCAPED, _from_escapes),
    ):
        for number, match in enumerate(expression.finditer(text)):
            if number >= _MOST:
                break
            decoded = decode(match[0][:_LONGEST])
            if decoded is not None:
                found.append((match.start(), decoded))
    return found


def _from_base64(text: str) -> str | None:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _readable(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _from_hex(text: str) -> str | None:
    return _readable(bytes.fromhex(text))


def _from_escapes(text: str) -> str | None:
    codes = re.findall(r"(?:\\x|\\u|%|&#x?)([0-9A-Fa-f]+)", text)
    return _readable(
        "".join(chr(int(each, 16) % 0x110000) for each in codes).encode("utf-8", "replace")
    )


def _readable(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if len(text) < 12:
        return None
    plain = sum(each.isalpha() or each in " .,:;/'\"!?-_\n" for each in text)
    # Random bytes that happen to be UTF-8 have no words in them.
    return text if plain / len(text) > 0.85 and " " in text.strip() else None
