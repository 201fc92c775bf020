"""What a text takes in a prompt."""

from __future__ import annotations

_ASCII_PER_TOKEN = 4
_PER_MESSAGE = 4


def token_estimate(text: str) -> int:
    """An estimate of the tokens of `text`, high rather than low for prose.

    Four characters of ASCII a token, one of any other script, and a few for what stands around it.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    others = len(text) - ascii_characters
    return -(-ascii_characters // _ASCII_PER_TOKEN) + others + _PER_MESSAGE
