"""The terms by which what is written is found again."""

from __future__ import annotations

import asyncio

LONG = 20_000
"""Characters from which on a text is analysed in a thread: the event loop is not to stand still."""


def terms_of(text: str) -> list[str]:
    """The terms of `text`, in order, with repetitions."""
    try:
        from treadle.memory.text import terms
    except ImportError:
        from treadle.memory.writing.normal_form import words

        return words(text)
    return terms(text)


async def analysed(text: str) -> list[str]:
    """Like `terms_of`, out of the way of the event loop where it takes long."""
    return await asyncio.to_thread(terms_of, text) if len(text) > LONG else terms_of(text)
