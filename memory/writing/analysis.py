"""The terms by which what is written is found again."""

from __future__ import annotations

import asyncio

from treadle.memory.text import terms

LONG = 20_000
"""Characters from which on a text is analysed in a thread: the event loop is not to stand still."""


async def analysed(text: str) -> list[str]:
    """The terms of `text`, out of the way of the event loop where that takes long."""
    return await asyncio.to_thread(terms, text) if len(text) > LONG else terms(text)
