"""Text from inside a sandbox, in sentences of the host's own."""

from __future__ import annotations


def spelled_out(text: str) -> str:
    """`text` with what could command a terminal, or forge a line, spelled out."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
