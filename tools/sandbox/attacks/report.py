"""What came of the attacks, as a table and as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.contract import SandboxLevel


class Verdict(StrEnum):
    """What became of an attack.

    held: it was tried, and nothing of it got through. breached: it got through. unclear: it could
    not be told, because the attack itself failed. not_applicable: this level does not promise it,
    or this machine has not got what it needs.
    """

    HELD = "held"
    BREACHED = "breached"
    UNCLEAR = "unclear"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class AttackReport:
    """One attack: what came of it, what was seen, and whether it works without a sandbox.

    control: "succeeded", "failed" (it is forbidden here anyway), "skipped" or "" (not asked for).
    control_detail: what was seen of the attack without a sandbox, or why it was not tried.
    """

    name: str
    group: str
    aim: str
    verdict: Verdict
    detail: str
    seconds: float
    control: str = ""
    control_detail: str = ""

    def as_json(self) -> dict[str, JsonValue]:
        """The report as JSON."""
        return {
            "name": self.name,
            "group": self.group,
            "aim": self.aim,
            "verdict": str(self.verdict),
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
            "control": self.control,
            "control_detail": self.control_detail,
        }


@dataclass(frozen=True, slots=True)
class SelftestReport:
    """All attacks of a self-test, and the level that they were tried on."""

    level: SandboxLevel
    attacks: tuple[AttackReport, ...]

    def count(self, verdict: Verdict) -> int:
        """How many attacks ended so."""
        return sum(1 for each in self.attacks if each.verdict is verdict)

    @property
    def exit_code(self) -> int:
        """0 where every attack held that the level promises to withstand; 1 otherwise."""
        return 1 if self.count(Verdict.BREACHED) or self.count(Verdict.UNCLEAR) else 0

    @property
    def summary(self) -> str:
        """One line."""
        shown = sum(1 for each in self.attacks if each.control == "succeeded")
        counts = ", ".join(
            f"{self.count(verdict)} {str(verdict).replace('_', ' ')}" for verdict in Verdict
        )
        return (
            f"level {self.level}: {len(self.attacks)} attacks, {counts}; "
            f"{shown} shown to succeed without a sandbox"
        )

    def as_json(self) -> dict[str, JsonValue]:
        """The report as JSON."""
        return {
            "level": str(self.level),
            "exit_code": self.exit_code,
            "counts": {str(verdict): self.count(verdict) for verdict in Verdict},
            "attacks": [each.as_json() for each in self.attacks],
        }

    def as_table(self) -> str:
        """Lines of plain text, a row for each attack; nothing in them controls a terminal."""
        width = max((len(each.name) for each in self.attacks), default=4)
        lines = [f"{'attack':{width}}  {'verdict':14}  {'without':9}  {'s':>5}  detail"]
        for each in self.attacks:
            told = each.detail or (each.control_detail if each.control == "skipped" else "")
            lines.append(
                f"{each.name:{width}}  {str(each.verdict).replace('_', ' '):14}  "
                f"{each.control:9}  {each.seconds:5.2f}  {told}".rstrip()
            )
        return "\n".join([*lines, "", self.summary])


def printable(text: str, most: int = 300) -> str:
    """`text` on one line, without what controls a terminal, and not longer than `most`."""
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
