"""A language server for one workspace: started when needed, started again when it died."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.language_server.cancellation import Cancellation
from treadle.tools.repository.language_server.command import pyright_command, server_environment
from treadle.tools.repository.language_server.connection import Connection
from treadle.tools.repository.language_server.documents import Documents, uri_of
from treadle.tools.repository.language_server.framing import MAX_MESSAGE
from treadle.tools.repository.language_server.pushed import PushedDiagnostics
from treadle.tools.repository.source_files import Stamp, source_files

START_SECONDS = 30.0
"""Seconds that a server may take to start."""

_ENUMERATED = re.compile(r"Found \d+ source file|No source files found")
_CHANGED, _CREATED, _DELETED = 2, 1, 3


class LanguageServer:
    """The process, its open documents and its view of the disk; safe to use from any thread.

    command: how it is started, pyright by default; put what confines it in front.
    limit: bytes of one answer that are read.
    pull: whether to ask for diagnostics; else the server sends them when it thinks fit.

    One at a time uses it: `lock` is held by whoever opens documents and asks about them.
    """

    def __init__(
        self,
        workspace: Workspace,
        command: Sequence[str] | None = None,
        *,
        limit: int = MAX_MESSAGE,
        pull: bool = True,
        settings: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self.workspace = workspace
        self.lock = threading.RLock()
        self.pushed = PushedDiagnostics()
        self.starts = 0
        self._command, self._limit, self._pull = command, limit, pull
        self._settings: dict[str, JsonValue] = dict(settings or _settings())
        self._connection: Connection | None = None
        self._documents: Documents | None = None
        self._capabilities: dict[str, JsonValue] = {}
        self._registered: dict[str, str] = {}
        self._stamps: dict[str, Stamp] = {}
        self._packages: tuple[tuple[str, str], ...] = ()
        self._enumerated = threading.Event()
        self._close_at_end: Callable[[], object] | None = None

    def __enter__(self) -> LanguageServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server; the next request starts another."""
        with self.lock:
            if self._close_at_end is not None:
                self._close_at_end()
            self._connection = self._documents = self._close_at_end = None

    @property
    def process_id(self) -> int | None:
        """The process that answers; None before the first request."""
        return self._process.pid if self._connection is not None else None

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """The linked folders of the workspace, as `source_files` gives them."""
        self.started()
        return self._packages

    def request(
        self,
        method: str,
        params: JsonValue,
        seconds: float,
        cancellation: Cancellation | None = None,
    ) -> JsonValue:
        """Ask the server, started if need be; raises what `Connection.request` raises."""
        connection, _ = self.started()
        if cancellation is not None:
            cancellation.check()
        return connection.request(method, params, seconds=seconds, cancellation=cancellation)

    @property
    def documents(self) -> Documents:
        """The open documents of a server that runs."""
        return self.started()[1]

    def can(self, method: str, capability: str) -> bool:
        """Whether the server said, at its start or since, that it answers `method`."""
        return bool(self._capabilities.get(capability)) or (
            method in list(self._registered.values())
        )

    def started(self) -> tuple[Connection, Documents]:
        """A connection to a server that runs.

        Raises ToolError: `language_server_missing`, `language_server_failed`.
        """
        with self.lock:
            connection, documents = self._connection, self._documents
            if connection is None or documents is None or connection.ended is not None:
                self.close()
                connection, documents = self._start()
            return connection, documents

    def wait_for_files(self, seconds: float) -> None:
        """Wait until pyright knows the files of the repository; until then it finds only some.

        It says so in its log alone. Of another server nobody knows.

        Raises ToolError (`language_server_timeout`).
        """
        self.started()
        if self._command is None and not self._enumerated.wait(seconds):
            raise ToolError(
                "language_server_timeout",
                f"the language server did not find all files in {seconds:g} s; give it longer",
                retryable=True,
            )

    def see_disk(self) -> None:
        """Tell the server which Python files appeared, changed or went since it last knew."""
        with self.lock:
            connection, _ = self.started()
            found = source_files(self.workspace)
            now, before = found.stamps, self._stamps
            self._packages = found.packages
            kinds = dict.fromkeys(before.keys() - now.keys(), _DELETED)
            kinds.update(dict.fromkeys(now.keys() - before.keys(), _CREATED))
            kinds.update(
                {path: _CHANGED for path in now if before.get(path, now[path]) != now[path]}
            )
            if kinds:
                changes: list[JsonValue] = [
                    {"uri": uri_of(self.workspace.root / path), "type": kind}
                    for path, kind in sorted(kinds.items())
                ]
                connection.notify("workspace/didChangeWatchedFiles", {"changes": changes})
            self._stamps = now

    def _start(self) -> tuple[Connection, Documents]:
        command = tuple(self._command or pyright_command())
        try:
            # Not in the workspace: a file there must not be taken for a module or a setting.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=tempfile.gettempdir(),
                env=server_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(
                "language_server_missing", f"'{command[0]}' cannot be started: {error.strerror}"
            ) from None
        self.pushed.clear()
        self._registered.clear()
        self._enumerated.clear()
        connection = Connection(self._process, self._notified, self._asked, self._limit)
        self._close_at_end = weakref.finalize(self, connection.close)
        found = source_files(self.workspace)
        self._stamps, self._packages = found.stamps, found.packages
        try:
            answer = connection.request("initialize", self._hello(), seconds=START_SECONDS)
            connection.notify("initialized", {})
        except ToolError as error:
            self._close_at_end()
            raise ToolError(
                "language_server_failed", f"the language server did not start: {error.message}"
            ) from error
        said = answer.get("capabilities") if isinstance(answer, dict) else None
        self._capabilities = said if isinstance(said, dict) else {}
        self._connection, self._documents = connection, Documents(connection)
        self.starts += 1
        return self._connection, self._documents

    def _hello(self) -> JsonValue:
        uri = uri_of(self.workspace.root)
        documents: dict[str, JsonValue] = {
            "publishDiagnostics": {"versionSupport": True},
            "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
            "hover": {"contentFormat": ["plaintext", "markdown"]},
            "rename": {"prepareSupport": True},
            "synchronization": {},
        }
        if self._pull:
            documents["diagnostic"] = {"dynamicRegistration": True}
        return {
            "processId": os.getpid(),
            "clientInfo": {"name": "treadle"},
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": "workspace"}],
            "capabilities": {
                "general": {"positionEncodings": ["utf-16"]},
                "workspace": {
                    "configuration": True,
                    "workspaceFolders": True,
                    "didChangeWatchedFiles": {"dynamicRegistration": True},
                    "workspaceEdit": {"documentChanges": True},
                    "diagnostics": {"refreshSupport": True},
                },
                "textDocument": documents,
            },
        }

    def _notified(self, method: str, params: JsonValue) -> None:
        if method == "textDocument/publishDiagnostics":
            self.pushed.take(params)
        elif method == "window/logMessage":
            said = str(params.get("message")) if isinstance(params, dict) else ""
            if _ENUMERATED.search(said):
                self._enumerated.set()

    def _asked(self, method: str, params: JsonValue) -> JsonValue:
        asked = params if isinstance(params, dict) else {}
        if method == "workspace/configuration":
            items = asked.get("items")
            return [self._section(item) for item in items] if isinstance(items, list) else []
        if method in ("client/registerCapability", "client/unregisterCapability"):
            self._register(asked)
            return None
        if method == "workspace/workspaceFolders":
            return [{"uri": uri_of(self.workspace.root), "name": "workspace"}]
        if method in ("window/workDoneProgress/create", "workspace/diagnostic/refresh"):
            return None
        if method == "workspace/applyEdit":
            return {"applied": False, "failureReason": "edits are previewed first"}
        raise KeyError(method)

    def _register(self, asked: dict[str, JsonValue]) -> None:
        # By id: a server that registers anew takes the old registration back afterwards.
        for key in ("registrations", "unregisterations"):  # the protocol's own spelling
            items = asked.get(key)
            for item in items if isinstance(items, list) else ():
                if not isinstance(item, dict):
                    continue
                number, method = str(item.get("id")), str(item.get("method"))
                if key == "registrations":
                    self._registered[number] = method
                else:
                    self._registered.pop(number, None)
        self.pushed.look_again()

    def _section(self, item: JsonValue) -> JsonValue:
        section = item.get("section") if isinstance(item, dict) else None
        found: JsonValue = self._settings
        for part in str(section or "").split("."):
            found = found.get(part) if isinstance(found, dict) and part else found
        return found


def _settings() -> dict[str, JsonValue]:
    # The interpreter that runs Treadle, never one that the repository or the PATH offers.
    return {
        "python": {
            "pythonPath": sys.executable,
            "analysis": {
                "diagnosticMode": "openFilesOnly",
                "autoSearchPaths": True,
                "useLibraryCodeForTypes": True,
                "logLevel": "Information",
            },
        },
        "pyright": {"disableLanguageServices": False, "disableTaggedHints": True},
    }
