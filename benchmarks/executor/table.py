"""The one table that is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["ok", "short", "", "not available"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `target` as text, empty where a figure is only for comparison."""

    section: str
    name: str
    measured: str
    target: str = ""
    verdict: Verdict = ""


def at_most(section: str, name: str, value: float, limit: float, unit: str, note: str = "") -> Row:
    """A figure that must not be over `limit`."""
    verdict: Verdict = "ok" if value <= limit else "short"
    return Row(section, name, f"{value:.4g}{unit}{note}", f"<= {limit:g}{unit}", verdict)


def at_least(section: str, name: str, value: float, limit: float, unit: str, note: str = "") -> Row:
    """A figure that must not be under `limit`."""
    verdict: Verdict = "ok" if value >= limit else "short"
    return Row(section, name, f"{value:.4g}{unit}{note}", f">= {limit:g}{unit}", verdict)


def missing(section: str, name: str, why: str, target: str = "") -> Row:
    """A figure that could not be measured, and why."""
    return Row(section, name, why, target, "not available")


HEADER = f"{'what':44} {'measured':>40}  {'target':12} verdict"


def line(row: Row) -> str:
    """`row` as a line of the table."""
    return f"{row.name:44} {row.measured:>40}  {row.target:12} {row.verdict}".rstrip()
