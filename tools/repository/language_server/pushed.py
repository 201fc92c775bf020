"""Diagnostics that a server sends by itself, and waiting for those of one version."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue

_MOST = 2_000


class PushedDiagnostics:
    """The last that a server said of each document; only the latest documents are kept."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, tuple[int | None, list[JsonValue]]] = OrderedDict()
        self._news = threading.Condition()

    def take(self, params: JsonValue) -> None:
        """Keep what a `textDocument/publishDiagnostics` says."""
        if not isinstance(params, dict) or not isinstance(uri := params.get("uri"), str):
            return
        version, items = params.get("version"), params.get("diagnostics")
        with self._news:
            self._said[uri] = (
                version if isinstance(version, int) else None,
                items if isinstance(items, list) else [],
            )
            self._said.move_to_end(uri)
            while len(self._said) > _MOST:
                self._said.popitem(last=False)
            self._news.notify_all()

    def clear(self) -> None:
        """Forget everything: another server speaks."""
        with self._news:
            self._said.clear()

    def look_again(self) -> None:
        """Let whoever waits see whether it is still the right thing to wait for."""
        with self._news:
            self._news.notify_all()

    def wait(
        self, uri: str, version: int, seconds: float, instead: Callable[[], bool]
    ) -> list[JsonValue] | None:
        """What the server says of `version` of a document, or of a later one.

        instead: whether to stop waiting, and give None.

        Raises ToolError (`language_server_timeout`).
        """
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                said = self._said.get(uri)
                if instead():
                    return None
                if said is not None and (said[0] is None or said[0] >= version):
                    return said[1]
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    raise ToolError(
                        "language_server_timeout",
                        f"the language server sent no diagnostics in {seconds:g} s",
                        retryable=True,
                    )
