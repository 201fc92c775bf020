"""Text from models, tools and files, made safe to print on a terminal."""

from __future__ import annotations

import re

_DANGEROUS = re.compile(
    # C0 and C1 controls but tab and newline, DEL, direction marks, overrides and isolates,
    # invisible characters that could hide text, half surrogate pairs. The two joiners stay:
    # Persian, Hindi and many emoji are spelled with them.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e01ef]"
)


def harmless(text: str) -> str:
    """`text` with everything that could command a terminal, or hide, spelled out.

    Escape becomes `\\x1b`, a direction override `\\u202e`; tabs and newlines stay.
    """
    return _DANGEROUS.sub(_spelled, text.replace("\r\n", "\n"))


def one_line(text: str, width: int = 200) -> str:
    """`text` harmless, on one line, cut to `width` characters."""
    joined = " ".join(harmless(text[: width * 4]).split())
    return joined if len(joined) <= width else joined[: width - 1] + "…"


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
