"""The definitions in a Python file by dotted name, even while the file does not parse."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from treadle.core.errors import ToolError
from treadle.tools.repository.source_text import Position, SourceText

_HEADER = re.compile(r"(?P<indent>[ \t]*)(?:async[ \t]+)?(?P<kind>def|class)[ \t]+(?P<name>\w+)")
_ASSIGNED = re.compile(r"(?P<name>[^\W\d]\w*)[ \t]*(?::[^=]+)?=(?!=)")
_MAX_PARSED = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, function or variable: its lines (decorators included) and where its name stands."""

    name: str
    kind: str
    first_line: int
    last_line: int
    position: Position


def parsed(source: SourceText) -> ast.Module | None:
    """The syntax tree; None for a text that has none."""
    if len(source.text) > _MAX_PARSED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes, which are not ours to judge
            return ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def outline(source: SourceText) -> list[Definition]:
    """The definitions of a file in order; by indentation alone where it does not parse."""
    tree = parsed(source)
    if tree is None:
        return list(_by_indentation(source))
    try:
        return list(_walk(tree.body, "", source))
    except RecursionError:
        raise ToolError("undecodable_file", "the file nests definitions too deeply") from None


def name_position(source: SourceText, node: ast.stmt, name: str) -> Position:
    """Where the name of a definition stands; the tree only tells where the statement starts."""
    line = node.lineno
    text = source.lines[line - 1] if line <= len(source.lines) else ""
    column = _characters(text, node.col_offset)
    found = re.compile(rf"\b{re.escape(name)}\b").search(text, column)
    return Position(line, (found.start() if found else column) + 1)


def _walk(body: list[ast.stmt], container: str, source: SourceText) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = f"{container}.{node.name}" if container else node.name
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            place = name_position(source, node, node.name)
            yield Definition(name, kind, first, node.end_lineno or node.lineno, place)
            yield from _walk(node.body, name, source)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    name = f"{container}.{target.id}" if container else target.id
                    text = source.lines[target.lineno - 1]
                    place = Position(target.lineno, _characters(text, target.col_offset) + 1)
                    last = node.end_lineno or node.lineno
                    yield Definition(name, "variable", node.lineno, last, place)
        else:
            for field in ("body", "orelse", "finalbody"):
                inner = getattr(node, field, None)
                if isinstance(inner, list):
                    yield from _walk(inner, container, source)
            for handler in getattr(node, "handlers", ()):
                yield from _walk(handler.body, container, source)


def _by_indentation(source: SourceText) -> Iterator[Definition]:
    # What does not parse is what an agent is in the middle of mending.
    open_ones: list[tuple[int, str]] = []
    for number, line in enumerate(source.lines, 1):
        header = _HEADER.match(line)
        if header is None:
            simple = _ASSIGNED.match(line)
            if simple is not None:
                yield Definition(simple["name"], "variable", number, number, Position(number, 1))
            continue
        depth = len(header["indent"].expandtabs())
        while open_ones and open_ones[-1][0] >= depth:
            open_ones.pop()
        name = ".".join([*(each for _, each in open_ones), header["name"]])
        open_ones.append((depth, header["name"]))
        kind = "class" if header["kind"] == "class" else "function"
        first = number
        while first > 1 and source.lines[first - 2].lstrip().startswith("@"):
            first -= 1
        last = _last_line(source, number, depth)
        yield Definition(name, kind, first, last, Position(number, header.start("name") + 1))


def _last_line(source: SourceText, header: int, depth: int) -> int:
    last = header
    for number in range(header + 1, len(source.lines) + 1):
        line = source.lines[number - 1]
        if not line.strip():
            continue
        indent = len(line[: len(line) - len(line.lstrip())].expandtabs())
        if indent <= depth and not line.lstrip().startswith((")", "]", "}")):
            return last
        last = number
    return last


def _characters(text: str, offset: int) -> int:
    # The tree counts columns in UTF-8 bytes.
    return offset if text.isascii() else len(text.encode()[:offset].decode("utf-8", "ignore"))
