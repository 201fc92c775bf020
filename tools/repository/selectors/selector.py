"""Naming a place in the code so that the name survives edits (after Lanser-CLI, arXiv 2510.22907).

Three forms, each with the path of a file in front:

- `path::Class.method`, with `#2` for the second of that name in the file;
- `path@"some text"`, with `#2` for the second of several;
- `path:12:5`, line and column from 1, with `~` and the fingerprint of the line behind it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TypeAlias

from treadle.core.errors import ToolError
from treadle.tools.repository.source_text import Position

MAX_SELECTOR = 4_000
"""Characters of a selector."""

_SYMBOL = re.compile(r"(?P<path>.+?)::(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:#(?P<nth>\d{1,6}))?")
_ANCHOR = re.compile(r'(?P<path>.+?)@(?P<text>"(?:[^"\\]|\\.)+")(?:#(?P<nth>\d{1,6}))?', re.DOTALL)
_PLACE = re.compile(
    r"(?P<path>.+?):(?P<line>\d{1,9}):(?P<column>\d{1,9})(?:~(?P<print>[0-9a-f]{12}))?"
)


@dataclass(frozen=True, slots=True)
class SymbolSelector:
    """A definition by its dotted name; nth counts from 1, None where there may be only one."""

    path: str
    name: str
    nth: int | None = None

    def __str__(self) -> str:
        return f"{self.path}::{self.name}" + (f"#{self.nth}" if self.nth else "")


@dataclass(frozen=True, slots=True)
class AnchorSelector:
    """A piece of text; nth counts from 1, None where there may be only one."""

    path: str
    text: str
    nth: int | None = None

    def __str__(self) -> str:
        quoted = json.dumps(self.text, ensure_ascii=False)
        return f"{self.path}@{quoted}" + (f"#{self.nth}" if self.nth else "")


@dataclass(frozen=True, slots=True)
class PlaceSelector:
    """A position, and what its line held when it was named; empty where nobody knows."""

    path: str
    position: Position
    fingerprint: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.position.line}:{self.position.column}"
        return f"{place}~{self.fingerprint}" if self.fingerprint else place


Selector: TypeAlias = SymbolSelector | AnchorSelector | PlaceSelector


def parse_selector(text: str) -> Selector:
    """Read a selector. Raises ToolError (`bad_selector`)."""
    if len(text) > MAX_SELECTOR:
        raise _bad(text, f"it has more than {MAX_SELECTOR:,} characters")
    # The anchor first: its text may hold what looks like the others.
    if (found := _ANCHOR.fullmatch(text)) is not None:
        try:
            anchor = json.loads(found["text"], strict=False)
        except ValueError:
            raise _bad(text, "its text is no JSON string") from None
        if not anchor.strip():
            raise _bad(text, "its text is blank")
        return AnchorSelector(found["path"], anchor, _nth(text, found["nth"]))
    if (found := _SYMBOL.fullmatch(text)) is not None:
        return SymbolSelector(found["path"], found["name"], _nth(text, found["nth"]))
    if (found := _PLACE.fullmatch(text)) is not None:
        position = Position(int(found["line"]), int(found["column"]))
        return PlaceSelector(found["path"], position, found["print"] or "")
    raise _bad(text, 'write path::Class.method, path@"some text" or path:line:column')


def fingerprint_of_line(line: str) -> str:
    """What tells a line from others: indentation and spacing do not count."""
    return hashlib.sha256(" ".join(line.split()).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _nth(text: str, given: str | None) -> int | None:
    if given is None:
        return None
    if int(given) < 1:
        raise _bad(text, "# counts from 1")
    return int(given)


def _bad(text: str, why: str) -> ToolError:
    return ToolError("bad_selector", f"{text[:200]!r} is no selector: {why}")
