"""One text of a server, scanned."""

from __future__ import annotations

from treadle.tools.mcp.scan.characters import (
    ESCAPE,
    hidden_in,
    scripts_mixed_in,
    spelled,
    tagged_text,
    without_hidden,
)
from treadle.tools.mcp.scan.finding import Finding, Severity
from treadle.tools.mcp.scan.instructions import instructions_in
from treadle.tools.mcp.scan.payloads import payloads_in

_AROUND = 60


def scan_text(text: str, place: str) -> list[Finding]:
    """What does not belong into a text that describes something."""
    found = [*_characters(text, place), *_orders(text, place), *_encoded(text, place)]
    mixed = scripts_mixed_in(text)
    if mixed is not None:
        found.append(
            Finding(
                "mixed_scripts",
                Severity.SEVERE,
                place,
                "a word mixes Latin letters with look-alikes",
                mixed.encode("ascii", "backslashreplace").decode()[:_AROUND],
            )
        )
    return found


def excerpt(text: str, start: int, end: int) -> str:
    """The passage with a little around it, on one line and safe to print."""
    shown = " ".join(spelled(text[max(0, start - 20) : end + 20]).split())
    return shown if len(shown) <= 3 * _AROUND else shown[: 3 * _AROUND - 1] + "…"


def _characters(text: str, place: str) -> list[Finding]:
    found = []
    hidden = hidden_in(text)
    if hidden:
        said = tagged_text(text)
        also = f"; they spell {said[:_AROUND]!r}" if len(said) > 1 else ""
        found.append(
            Finding(
                "hidden_characters",
                Severity.SEVERE,
                place,
                f"{len(hidden)} characters that nobody sees{also}",
                excerpt(text, hidden[0], hidden[0] + 1),
            )
        )
    escapes = ESCAPE.search(text)
    if escapes is not None:
        found.append(
            Finding(
                "terminal_escapes",
                Severity.SEVERE,
                place,
                "characters that command a terminal",
                excerpt(text, escapes.start(), escapes.end()),
            )
        )
    return found


def _orders(text: str, place: str) -> list[Finding]:
    # As it reads once what hides is gone: a zero-width space must not part the words.
    plain = without_hidden(text)
    said = tagged_text(text)
    found = [
        Finding(
            "instructions", each.severity, place, each.message, excerpt(plain, each.start, each.end)
        )
        for each in instructions_in(plain)
    ]
    found += [
        Finding("instructions", Severity.SEVERE, place, f"hidden text {each.message}", said[:200])
        for each in instructions_in(said)
    ]
    return found


def _encoded(text: str, place: str) -> list[Finding]:
    return [
        Finding(
            "encoded_payload",
            Severity.SEVERE,
            place,
            "encoded text that holds more text",
            excerpt(decoded, 0, 120),
        )
        for _, decoded in payloads_in(text)
    ]
