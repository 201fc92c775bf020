"""Tells an engine that a program is over, so that it frees the KV cache it holds for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import openai

SECONDS = 2.0
"""How long the engine may take to answer."""

_FAILURES = 3
"""In a row, after which a server that should know the call is not asked any more."""

_log = logging.getLogger("treadle.serving")


class ProgramEndSignal:
    """`POST {server}/treadle/programs/{program_id}/end`, as long as the server knows it.

    base_url: that of the server's API, with the `/v1` at its end.

    A server without our scheduler answers 404 or 405, and is left alone from then on; so is one
    that has failed a few times in a row. What it holds expires by itself.
    """

    def __init__(self, base_url: str) -> None:
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._failures = 0

    @property
    def wanted(self) -> bool:
        """Whether the server is told at all."""
        return self._failures < _FAILURES

    def url(self, program_id: str) -> str:
        """Where the end of `program_id` is posted to."""
        return f"{self._root}/treadle/programs/{quote(program_id, safe='')}/end"

    async def send(self, client: openai.AsyncOpenAI, program_id: str) -> None:
        """Tell it; a failure is logged and forgotten."""
        import openai

        url = self.url(program_id)
        try:
            async with asyncio.timeout(SECONDS):
                await client.post(url, cast_to=type(None), options={"max_retries": 0})
            self._failures = 0
        except openai.APIStatusError as error:
            unknown = error.status_code < 500
            self._failed(f"{error.status_code}", _FAILURES if unknown else 1)
        except (openai.OpenAIError, OSError) as error:
            self._failed(str(error) or type(error).__name__, 1)

    def _failed(self, why: str, weight: int) -> None:
        self._failures += weight
        if not self.wanted:
            _log.debug("%s is not told any more when programs end: %s", self._root, why)
