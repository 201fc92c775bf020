"""Questions about code to a language server, in paths of the workspace and positions from 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.language_server import answers
from treadle.tools.repository.language_server.cancellation import Cancellation
from treadle.tools.repository.language_server.documents import path_of, uri_of
from treadle.tools.repository.language_server.records import (
    Diagnostic,
    Location,
    Symbol,
    TextEdit,
)
from treadle.tools.repository.language_server.server import LanguageServer
from treadle.tools.repository.source_text import Position, SourceText

MAX_SOURCE = 4 * 1024 * 1024
"""Bytes of a source file that is shown to a server."""

_MAX_OPEN = 64


class CodeQueries:
    """What a language server can tell about the files of a workspace.

    seconds: for one question; the first after a start includes reading the whole repository.

    Every method raises the ToolErrors of `Connection.request` and of reading the file that it is
    about. The text of files is that on the disk at the time of the question, or what `showing`
    puts in its place.
    """

    def __init__(
        self,
        server: LanguageServer,
        seconds: float = 30.0,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._server, self._seconds, self._cancellation = server, seconds, cancellation
        self._shown: dict[str, str] = {}

    @property
    def workspace(self) -> Workspace:
        """Where the files lie."""
        return self._server.workspace

    def cancelled_by(self, cancellation: Cancellation) -> CodeQueries:
        """The same questions, given up when `cancellation` says so."""
        return CodeQueries(self._server, self._seconds, cancellation)

    def source(self, path: str) -> SourceText:
        """The text of a file as the server is to see it."""
        shown = self._shown.get(path)
        if shown is not None:
            return SourceText(shown)
        return SourceText.decode(self.workspace.read_bytes(path, MAX_SOURCE), path)

    @contextmanager
    def showing(self, texts: Mapping[str, str]) -> Iterator[None]:
        """While inside, the server sees these texts in place of the files; one thread at a time."""
        with self._server.lock:
            before = self._shown
            self._shown = {**before, **texts}
            try:
                with self._asking():
                    for path in texts:
                        self._open(path)
                yield
            finally:
                self._shown = before
                if self._server.process_id is not None:
                    for path in texts:
                        self._server.documents.close(self._uri(path))

    def diagnostics(self, path: str) -> list[Diagnostic]:
        """What is wrong with a file, sorted by place."""
        with self._asking():
            uri = self._open(path)
            method = "textDocument/diagnostic"

            def can_ask() -> bool:
                return self._server.can(method, "diagnosticProvider")

            # A server may say only after its start that it is to be asked, and then sends nothing.
            version = self._server.documents.version(uri)
            items: JsonValue = self._server.pushed.wait(uri, version, self._seconds, can_ask)
            if items is None:
                answer = self._ask(method, {"textDocument": {"uri": uri}})
                items = answer.get("items") if isinstance(answer, dict) else None
            return answers.diagnostics(items, partial(self._range, uri))

    def workspace_symbols(self, query: str) -> list[Symbol]:
        """Named things anywhere in the repository whose name is like `query`."""
        with self._asking():
            self._server.wait_for_files(self._seconds)
            answer = self._ask("workspace/symbol", {"query": query})
            return list(dict.fromkeys(answers.symbols(answer, self._location)))

    def document_symbols(self, path: str) -> list[Symbol]:
        """The named things in a file, those inside others after them."""
        with self._asking():
            uri = self._open(path)
            answer = self._ask("textDocument/documentSymbol", {"textDocument": {"uri": uri}})
            return answers.document_symbols(answer, partial(self._range, uri))

    def definition(self, path: str, position: Position) -> list[Location]:
        """Where what stands at a position is defined."""
        with self._asking():
            answer = self._ask("textDocument/definition", self._at(path, position))
            return _unique(answers.locations(answer, self._location))

    def references(self, path: str, position: Position) -> list[Location]:
        """Where what stands at a position is used or defined, anywhere in the repository."""
        with self._asking():
            self._server.wait_for_files(self._seconds)
            found: list[Location] = []
            for uri in self._uris(path):
                asked = self._at(path, position, uri)
                asked["context"] = {"includeDeclaration": True}
                answer = self._ask("textDocument/references", asked)
                found += answers.locations(answer, self._location)
            return _unique(found)

    def hover(self, path: str, position: Position) -> str:
        """Type and documentation of what stands at a position; empty when there is nothing."""
        with self._asking():
            return answers.hover(self._ask("textDocument/hover", self._at(path, position)))

    def rename(self, path: str, position: Position, name: str) -> list[TextEdit]:
        """The edits that rename what stands at a position; nothing is changed.

        Raises ToolError (`rename_outside`) when a file outside of the workspace would change.
        """
        if len(self._uris(path)) > 1:
            edits = self._rename_by_references(path, position, name)
        else:
            with self._asking():
                self._server.wait_for_files(self._seconds)
                asked = self._at(path, position)
                asked["newName"] = name
                edits = answers.edits(self._ask("textDocument/rename", asked), self._location)
        outside = next((edit for edit in edits if edit.location.outside), None)
        if outside is not None:
            raise ToolError(
                "rename_outside",
                f"renaming would change '{outside.location.path}', outside of the workspace",
            )
        return sorted(set(edits), key=lambda edit: edit.location)

    def _rename_by_references(self, path: str, position: Position, name: str) -> list[TextEdit]:
        # A server renames nothing in what its settings leave out, as they do with linked folders.
        if not name.isidentifier():
            raise ToolError("language_server_refused", f"{name[:80]!r} is no name")
        with self._asking():
            asked = self._at(path, position)
            answer = self._ask("textDocument/prepareRename", asked)
            if not isinstance(answer, dict):
                raise ToolError("language_server_refused", "what stands there cannot be renamed")
            here = answers.locations(
                {"uri": self._uri(path), "range": answer.get("range", answer)}, self._location
            )[0]
        old = self._text_at(here)
        found = self.references(path, position)
        return [TextEdit(each, name) for each in found if self._text_at(each) == old]

    def _text_at(self, location: Location) -> str:
        if location.outside:
            return ""
        source = self.source(location.path)
        return source.text[source.offset(location.start) : source.offset(location.end)]

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self._server.lock:
            self._server.see_disk()
            self._refresh()
            yield

    def _ask(self, method: str, params: JsonValue) -> JsonValue:
        return self._server.request(method, params, self._seconds, self._cancellation)

    def _refresh(self) -> None:
        # Documents that are open stand for their files: none may be older than the disk.
        for uri in self._server.documents.open:
            path = self._path(uri)
            if path is not None and path not in self._shown:
                try:
                    self._server.documents.show(uri, self.source(path).text)
                except ToolError:
                    self._server.documents.close(uri)  # it went, or is no text any more

    def _open(self, path: str, uri: str | None = None) -> str:
        documents = self._server.documents
        chosen = uri or self._uri(path)
        documents.show(chosen, self.source(path).text)
        for old in documents.open[:-_MAX_OPEN]:
            if old != chosen and self._path(old) not in self._shown:
                documents.close(old)
        return chosen

    def _at(self, path: str, position: Position, uri: str | None = None) -> dict[str, JsonValue]:
        line, units = self.source(path).to_utf16(position)
        chosen = self._open(path, uri)
        return {
            "textDocument": {"uri": chosen},
            "position": {"line": line, "character": units},
        }

    def _uri(self, path: str) -> str:
        return self._uris(path)[0]

    def _uris(self, path: str) -> list[str]:
        """The names of a file, that by which others import it first.

        To a server a file that is reached over a link is another file, with types of its own.
        """
        real = self.workspace.relative(self.workspace.resolve(path))
        linked = [
            f"{link}/{real.removeprefix(f'{target}/')}"
            for link, target in self._server.packages
            if real.startswith(f"{target}/")
        ]
        return [uri_of(self.workspace.root / each) for each in (*linked, real)]

    def _path(self, uri: str) -> str | None:
        path = path_of(uri)
        if path is None:
            return None
        try:
            real = path.resolve()
        except (OSError, RuntimeError):
            return None
        return self.workspace.relative(real) if self.workspace.holds(real) else None

    def _location(self, uri: str, record: answers.RawRange) -> Location:
        path = self._path(uri)
        if path is None:
            # Not ours to read: columns stay as the server counts them.
            outside = str(path_of(uri) or Path(uri[:200]))
            start = Position(record[0] + 1, record[1] + 1)
            return Location(outside, start, Position(record[2] + 1, record[3] + 1), outside=True)
        return self._in(path, self._source_of(uri, path), record)

    def _range(self, uri: str, record: answers.RawRange) -> Location:
        return self._location(uri, record)

    def _source_of(self, uri: str, path: str) -> SourceText:
        seen = self._server.documents.text(uri)
        return SourceText(seen) if seen is not None else self.source(path)

    def _in(self, path: str, source: SourceText, record: answers.RawRange) -> Location:
        start = source.from_utf16(record[0], record[1])
        return Location(path, start, source.from_utf16(record[2], record[3]))


def _unique(locations: Sequence[Location]) -> list[Location]:
    return sorted(set(locations))
