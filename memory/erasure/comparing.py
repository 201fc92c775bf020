"""Comparing without keeping others waiting: what is long is compared in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from treadle.core.threads import run_in_thread

LONG = 100_000
"""Characters that take some milliseconds to compare."""

ResultT = TypeVar("ResultT")


async def in_thread_if_long(
    texts: Iterable[str | bytes], compare: Callable[[], ResultT]
) -> ResultT:
    """What `compare` gives, which goes through `texts`; in a thread where these are long.

    Where the caller is cancelled it goes on at once, and the comparison ends by itself: it is
    bounded (see `Sought`), and changes nothing.
    """
    left = LONG
    for text in texts:
        left -= len(text)
        if left < 0:
            return await run_in_thread(compare)
    return compare()
