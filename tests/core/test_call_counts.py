"""How many model calls the calls of a tool take."""

from __future__ import annotations

from treadle.core.call_counts import CallCounts


def test_a_tool_that_was_never_seen_is_taken_to_make_one() -> None:
    counts = CallCounts()
    assert (counts.expected("a"), counts.most("a")) == (1, 1)


def test_the_latest_count() -> None:
    counts = CallCounts()
    for calls in [50] * 3 + [2, 3, 4] * 5:
        counts.observe("a", calls)
    assert (counts.expected("a"), counts.most("a")) == (3, 4)


def test_memory_is_bounded() -> None:
    counts = CallCounts()
    for number in range(CallCounts.TOOLS + 1):
        counts.observe(f"t{number}", 7)
    assert counts.expected("t0") == 1
    assert counts.expected("t1") == 7
