"""The text of a source file, with what is needed to write it back byte for byte."""

from __future__ import annotations

import codecs
import io
import re
import tokenize
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from treadle.core.errors import ToolError

_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text: line and column, both from 1, columns in characters (code points)."""

    line: int
    column: int


@dataclass(frozen=True)
class SourceText:
    """A decoded file: line endings as they are, the byte order mark apart from the text.

    encoding: what it was decoded with, for Python files by PEP 263.
    """

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""

    @classmethod
    def decode(cls, data: bytes, path: str) -> SourceText:
        """Decode the content of the file `path`.

        Raises ToolError (`undecodable_file`) for what is no text in its declared encoding, or
        would not come out the same when written again.
        """
        bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        encoding = "utf-8"
        try:
            if path.endswith((".py", ".pyi")):
                encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
            if encoding == "utf-8-sig":
                encoding = "utf-8"
            text = data[len(bom) :].decode(encoding)
            same = text.encode(encoding) == data[len(bom) :]
        except (SyntaxError, UnicodeError, LookupError) as error:
            raise ToolError("undecodable_file", f"'{path}' is no text: {error}") from None
        if "\0" in text or not same:
            raise ToolError("undecodable_file", f"'{path}' is a binary file, or oddly encoded")
        return cls(text, encoding, bom)

    def encode(self, text: str, path: str) -> bytes:
        """`text` as the bytes of this file. Raises ToolError (`text_not_encodable`)."""
        try:
            return self.bom + text.encode(self.encoding)
        except UnicodeError as error:
            raise ToolError(
                "text_not_encodable", f"'{path}' is {self.encoding}, which cannot hold it: {error}"
            ) from None

    @cached_property
    def newline(self) -> str:
        """The line ending that most lines have."""
        counts: dict[str, int] = {"\n": 0}
        for found in _NEWLINE.finditer(self.text):
            counts[found[0]] = counts.get(found[0], 0) + 1
        return max(counts, key=lambda ending: counts[ending])

    @cached_property
    def starts(self) -> list[int]:
        """The offset at which each line starts."""
        return [0, *(found.end() for found in _NEWLINE.finditer(self.text))]

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their endings; a text that ends in a newline has an empty last one."""
        return _NEWLINE.split(self.text)

    def with_newlines(self, text: str) -> str:
        """`text` with this file's line endings."""
        return _NEWLINE.sub(lambda _: self.newline, text)

    def offset(self, position: Position) -> int:
        """The offset of a position; one past the end of its line is that end.

        Raises ToolError (`bad_position`) for a line or column that is not there.
        """
        if not 1 <= position.line <= len(self.starts):
            raise ToolError(
                "bad_position", f"there is no line {position.line}; there are {len(self.starts)}"
            )
        width = len(self.lines[position.line - 1])
        if not 1 <= position.column <= width + 1:
            raise ToolError(
                "bad_position",
                f"line {position.line} has {width} characters, so no column {position.column}",
            )
        return self.starts[position.line - 1] + position.column - 1

    def position(self, offset: int) -> Position:
        """The position of an offset."""
        line = bisect_right(self.starts, max(0, min(offset, len(self.text))))
        return Position(line, offset - self.starts[line - 1] + 1)

    def to_utf16(self, position: Position) -> tuple[int, int]:
        """Line and column as language servers count: from 0, columns in UTF-16 units."""
        self.offset(position)
        before = self.lines[position.line - 1][: position.column - 1]
        return position.line - 1, utf16_length(before)

    def from_utf16(self, line: int, units: int) -> Position:
        """A position from line and column as language servers count; clamped to the text."""
        if line >= len(self.lines):
            return Position(len(self.lines), len(self.lines[-1]) + 1)
        text = self.lines[max(line, 0)]
        return Position(max(line, 0) + 1, _characters(text, units) + 1)


def utf16_length(text: str) -> int:
    """How many UTF-16 units `text` takes."""
    return len(text) + sum(character > "\uffff" for character in text)


def _characters(text: str, units: int) -> int:
    if text.isascii():
        return max(0, min(units, len(text)))
    seen = 0
    for index, character in enumerate(text):
        if seen >= units:
            return index
        seen += 2 if character > "\uffff" else 1
    return len(text)
