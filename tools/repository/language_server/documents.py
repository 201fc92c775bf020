"""The documents that are open in a server, and the text that it has of each."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from treadle.core.json_value import JsonValue
from treadle.tools.repository.language_server.connection import Connection


class Documents:
    """Open documents of one connection: versions that only grow, changes sent when there are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._texts: dict[str, str] = {}
        self._versions: dict[str, int] = {}

    def show(self, uri: str, text: str) -> bool:
        """Let the server see `text` as the document's; whether that was news."""
        if self._texts.get(uri) == text:
            return False
        # Versions go on after closing, so that what is said of an old one is never taken for new.
        version = self._versions[uri] = self._versions.get(uri, 0) + 1
        identity: dict[str, JsonValue] = {"uri": uri, "version": version}
        if uri in self._texts:
            changed: JsonValue = {"textDocument": identity, "contentChanges": [{"text": text}]}
            self._connection.notify("textDocument/didChange", changed)
        else:
            opened: JsonValue = {"textDocument": {**identity, "languageId": "python", "text": text}}
            self._connection.notify("textDocument/didOpen", opened)
        self._texts[uri] = text
        return True

    def close(self, uri: str) -> None:
        """Let the server see the file again as it is on the disk."""
        if self._texts.pop(uri, None) is not None:
            self._connection.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def text(self, uri: str) -> str | None:
        """The text that the server has; None when the document is not open."""
        return self._texts.get(uri)

    def version(self, uri: str) -> int:
        """The last version that was sent; 0 before the first."""
        return self._versions.get(uri, 0)

    @property
    def open(self) -> tuple[str, ...]:
        """The URIs of the open documents, the one shown first in front."""
        return tuple(self._texts)


def uri_of(path: Path) -> str:
    """The file URI of an absolute path."""
    return "file://" + quote(path.as_posix(), safe="/")


def path_of(uri: str) -> Path | None:
    """The path of a file URI, normalised; None for other URIs."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc:
        return None
    path = unquote(parts.path)
    return None if "\0" in path else Path(os.path.normpath(path))
