"""Where texts are compared."""

from __future__ import annotations

import threading

import pytest

from treadle.memory.erasure.comparing import LONG, in_thread_if_long


async def test_long_texts_are_compared_beside_the_event_loop() -> None:
    here = threading.get_ident()
    for texts in ([], ["a", "b"], ["x" * LONG], [b"x" * LONG]):
        assert await in_thread_if_long(texts, threading.get_ident) == here
    for texts in (["x" * (LONG + 1)], ["x" * (LONG // 2)] * 3, [b"x" * 2 * LONG]):
        assert await in_thread_if_long(texts, threading.get_ident) != here


@pytest.mark.parametrize("length", [1, 2 * LONG])
async def test_errors_come_out_of_either(length: int) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_thread_if_long(["x" * length], fail)
