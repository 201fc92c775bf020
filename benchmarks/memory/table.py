"""The tables that are printed."""

from __future__ import annotations

from dataclasses import dataclass, field


class NotAvailable(Exception):
    """A side cannot be measured in this environment; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A side and its figures; `note` has what is needed to read them, or why there are none."""

    name: str
    figures: tuple[str, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Table:
    """One table, printed as it grows, since a row may take minutes."""

    title: str
    columns: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)

    def begin(self) -> None:
        """Print the title and the header."""
        heads = "".join(f"{each:>11}" for each in self.columns)
        print(f"\n== {self.title}\n{'':38}{heads}", flush=True)

    def add(self, row: Row) -> None:
        """Print and keep a row."""
        self.rows.append(row)
        figures = "".join(f"{each:>11}" for each in row.figures)
        print(f"{row.name:38}{figures}  {row.note}".rstrip(), flush=True)


def against(value: float, limit: float, unit: str) -> str:
    """What to say of a figure that is to be at most `limit`."""
    return f"target <= {limit:g} {unit}: {'ok' if value <= limit else 'SHORT'}"


def reached(value: float, limit: float) -> str:
    """What to say of a figure that is to be at least `limit`."""
    return f"target >= {limit:g}: {'ok' if value >= limit else 'SHORT'}"
