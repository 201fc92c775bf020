"""The results of the repository's tools: sized and shaped for a model to read."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from treadle.tools.repository.editing.applied import Applied
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.language_server.records import Diagnostic, Location, Symbol
from treadle.tools.repository.score import StepScore

MAX_ITEMS = 100
MAX_DIFF = 30_000
MAX_LINE = 200
MAX_TEXT = 12_000


class CodePlace(TypedDict):
    """A place in the code: `at` as path:line:column, and its line."""

    at: str
    line: str


class CodePlaces(TypedDict):
    """Places; found: how many there are, of which the first are given."""

    found: int
    places: list[CodePlace]


class CodeSymbol(TypedDict):
    """A named thing; `at` is a selector."""

    at: str
    kind: str
    line: int


class CodeSymbols(TypedDict):
    """Named things; found: how many there are, of which the first are given."""

    found: int
    symbols: list[CodeSymbol]


class CodeFault(TypedDict):
    """A diagnostic: `at` as path:line:column."""

    at: str
    severity: str
    message: str
    rule: str


class CodeFaults(TypedDict):
    """Diagnostics; found: how many there are, of which the first are given."""

    found: int
    diagnostics: list[CodeFault]


class CodeText(TypedDict):
    """What a selector leads to; `how`: exact, or how it was found again after an edit."""

    at: str
    first_line: int
    last_line: int
    text: str
    how: str


class Score(TypedDict):
    """Weight of the diagnostics that go minus that of those that come."""

    value: float
    resolved: list[CodeFault]
    new: list[CodeFault]
    remaining: int
    checked: list[str]
    exact: bool


class Previewed(TypedDict):
    """A preview: its name for applying, the files, the unified diff, and what was found again."""

    preview: str
    files: list[str]
    diff: str
    notes: list[str]
    score: Score | None


class AppliedEdits(TypedDict):
    """Changes that were made. commit: in the history of edits, empty where there is none."""

    applied: Applied
    score: Score | None
    commit: str
    note: str


def places(found: Sequence[Location], queries: CodeQueries) -> CodePlaces:
    """Locations with their lines."""
    lines: dict[str, list[str]] = {}
    shown: list[CodePlace] = []
    for each in found[:MAX_ITEMS]:
        text = ""
        if not each.outside:
            if each.path not in lines:
                lines[each.path] = queries.source(each.path).lines
            if each.start.line <= len(lines[each.path]):
                text = lines[each.path][each.start.line - 1].strip()[:MAX_LINE]
        shown.append(CodePlace(at=_at(each), line=text))
    return CodePlaces(found=len(found), places=shown)


def symbols(found: Sequence[Symbol]) -> CodeSymbols:
    """Symbols as selectors."""
    shown = [
        CodeSymbol(
            at=f"{each.location.path}::{each.qualified_name}",
            kind=each.kind,
            line=each.location.start.line,
        )
        for each in found[:MAX_ITEMS]
    ]
    return CodeSymbols(found=len(found), symbols=shown)


def faults(found: Sequence[Diagnostic]) -> list[CodeFault]:
    """Diagnostics, the first of them."""
    return [
        CodeFault(
            at=_at(each.location),
            severity=each.severity.value,
            message=cut(each.message, 500),
            rule=each.rule,
        )
        for each in found[:MAX_ITEMS]
    ]


def scored(found: StepScore | None) -> Score | None:
    """A score with the first of its diagnostics."""
    if found is None:
        return None
    return Score(
        value=found.value,
        resolved=faults(found.resolved[:20]),
        new=faults(found.new[:20]),
        remaining=found.remaining,
        checked=list(found.checked),
        exact=found.exact,
    )


def cut(text: str, limit: int) -> str:
    """`text`, or its beginning and a word on how much is left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n... {len(text) - limit:,} more characters"


def _at(location: Location) -> str:
    return f"{location.path}:{location.start.line}:{location.start.column}"
