"""What a scan has found, where, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from treadle.core.json_value import JsonValue


class Severity(StrEnum):
    """How much a finding matters.

    warning: shown to whoever approves. severe: refused until a person has approved it.
    """

    WARNING = "warning"
    SEVERE = "severe"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a text that does not belong there.

    kind: `hidden_characters`, `terminal_escapes`, `instructions`, `encoded_payload`, `too_long`,
        `mixed_scripts`, `shadowing`, `confusable_name`, `bad_name`, `bad_schema`,
        `unpinned_package`.
    place: in words, like `tool 'add', parameters.properties.a.description`.
    excerpt: the text around it, spelled out so that it is safe to print.
    """

    kind: str
    severity: Severity
    place: str
    message: str
    excerpt: str = ""

    @property
    def key(self) -> str:
        """What an approval of this finding is about."""
        return f"{self.kind}|{self.place}|{self.message}|{self.excerpt}"

    def as_json(self) -> dict[str, JsonValue]:
        """`{"kind", "severity", "place", "message", "excerpt"}`."""
        return {
            "kind": self.kind,
            "severity": str(self.severity),
            "place": self.place,
            "message": self.message,
            "excerpt": self.excerpt,
        }

    def __str__(self) -> str:
        shown = f": {self.excerpt}" if self.excerpt else ""
        return f"{self.severity}: {self.place}: {self.message}{shown}"
