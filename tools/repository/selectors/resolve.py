"""From a selector to a range of the text as it is now.

A selector that could mean several places, or none any more, is an error that lists candidates:
a wrong guess edits the wrong code.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from treadle.core.errors import ToolError
from treadle.tools.repository.selectors.anchoring import (
    LEAD,
    LIKENESS,
    Found,
    by_words,
    exact,
    lines_with,
    most_alike,
)
from treadle.tools.repository.selectors.outline import Definition, outline
from treadle.tools.repository.selectors.selector import (
    AnchorSelector,
    PlaceSelector,
    Selector,
    SymbolSelector,
    fingerprint_of_line,
)
from treadle.tools.repository.source_text import Position, SourceText

_CANDIDATES = 8


class SelectorError(ToolError):
    """A selector that names no place, or more than one; `candidates` are selectors that do."""

    def __init__(self, code: str, message: str, candidates: Sequence[str] = ()) -> None:
        listed = f"; did you mean {', '.join(candidates)}?" if candidates else ""
        super().__init__(code, message + listed)
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a selector leads.

    start, end: offsets of the range. position: where the name, or the text, begins.
    how: `exact`, or how it was found again: `moved`, `spacing`, `alike`.
    """

    path: str
    start: int
    end: int
    position: Position
    how: str


def resolve(selector: Selector, source: SourceText) -> Place:
    """Find what `selector` names in `source`, the present text of its file.

    Raises SelectorError: `selector_ambiguous`, `selector_stale`.
    """
    if isinstance(selector, SymbolSelector):
        return _symbol(selector, source)
    if isinstance(selector, AnchorSelector):
        return _anchor(selector, source)
    return _place(selector, source)


def selector_at(path: str, source: SourceText, position: Position) -> str:
    """A selector for a position that tells when it has gone stale."""
    source.offset(position)
    line = source.lines[position.line - 1]
    printed = fingerprint_of_line(line) if line.strip() else ""
    return str(PlaceSelector(path, position, printed))


def _symbol(selector: SymbolSelector, source: SourceText) -> Place:
    every = outline(source)
    found = [each for each in every if each.name == selector.name]
    how = "exact"
    if not found:
        # It may have moved into a class or out of one.
        last = selector.name.rpartition(".")[2]
        moved = [each for each in every if each.name.rpartition(".")[2] == last]
        raise SelectorError(
            "selector_stale",
            f"'{selector.path}' defines no '{selector.name}'",
            _symbols(selector.path, moved or _similar(selector.name, every)),
        )
    if selector.nth is None and len(found) > 1:
        # Overloads and conditional definitions share a name.
        raise SelectorError(
            "selector_ambiguous",
            f"'{selector.path}' defines '{selector.name}' {len(found)} times",
            [
                f"{SymbolSelector(selector.path, selector.name, n)} (line {each.position.line})"
                for n, each in enumerate(found[:_CANDIDATES], 1)
            ],
        )
    if selector.nth is not None and selector.nth > len(found):
        raise SelectorError(
            "selector_stale",
            f"'{selector.path}' defines '{selector.name}' only {len(found)} times",
            _symbols(selector.path, found),
        )
    chosen = found[(selector.nth or 1) - 1]
    start = source.starts[chosen.first_line - 1]
    end = source.starts[chosen.last_line - 1] + len(source.lines[chosen.last_line - 1])
    return Place(selector.path, start, end, chosen.position, how)


def _anchor(selector: AnchorSelector, source: SourceText) -> Place:
    found = exact(source, selector.text) or by_words(source, selector.text)
    if not found:
        alike = most_alike(source, selector.text)
        best = alike[0].likeness if alike else 0.0
        second = alike[1].likeness if len(alike) > 1 else 0.0
        if selector.nth is not None or best < LIKENESS or best - second < LEAD:
            raise SelectorError(
                "selector_stale",
                f"'{selector.path}' does not hold this text any more",
                _excerpts(selector.path, source, alike),
            )
        found = alike[:1]
    if selector.nth is None and len(found) > 1:
        numbered = [
            f"{AnchorSelector(selector.path, selector.text[:60], n)} "
            f"(line {source.position(each.start).line})"
            for n, each in enumerate(found[:_CANDIDATES], 1)
        ]
        raise SelectorError(
            "selector_ambiguous", f"'{selector.path}' holds this text {len(found)} times", numbered
        )
    if selector.nth is not None and selector.nth > len(found):
        raise SelectorError(
            "selector_stale",
            f"'{selector.path}' holds this text only {len(found)} times",
            _excerpts(selector.path, source, found),
        )
    chosen = found[(selector.nth or 1) - 1]
    position = source.position(chosen.start)
    return Place(selector.path, chosen.start, chosen.end, position, chosen.how)


def _place(selector: PlaceSelector, source: SourceText) -> Place:
    position, how = selector.position, "exact"
    there = position.line <= len(source.lines)
    line = source.lines[position.line - 1] if there else ""
    if selector.fingerprint and fingerprint_of_line(line) != selector.fingerprint:
        numbers = lines_with(source, selector.fingerprint)
        if len(numbers) != 1:
            raise SelectorError(
                "selector_ambiguous" if numbers else "selector_stale",
                f"line {position.line} of '{selector.path}' is another one now",
                [
                    str(PlaceSelector(selector.path, Position(n, position.column)))
                    for n in numbers[:_CANDIDATES]
                ],
            )
        now = source.lines[numbers[0] - 1]
        # The indentation may have changed with the place.
        column = min(position.column, len(now) + 1)
        position, how = Position(numbers[0], column), "moved"
    offset = source.offset(position)
    return Place(selector.path, offset, offset, position, how)


def _similar(name: str, every: list[Definition]) -> list[Definition]:
    close = difflib.get_close_matches(name[:200], [each.name for each in every], n=5)
    return [each for each in every if each.name in close]


def _symbols(path: str, found: list[Definition]) -> list[str]:
    names = dict.fromkeys(str(SymbolSelector(path, each.name)) for each in found)
    return list(names)[:_CANDIDATES]


def _excerpts(path: str, source: SourceText, found: list[Found]) -> list[str]:
    return [
        f"line {source.position(each.start).line}: "
        f"{AnchorSelector(path, source.text[each.start : each.end][:80])}"
        for each in found[:3]
    ]
