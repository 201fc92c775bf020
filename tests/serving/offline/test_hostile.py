"""Any text at all gives a well-formed plan, soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.planner.plan import Plan

Planner: TypeAlias = Callable[..., Any]
_WORDINGS = (Path(__file__).parent / "wordings.txt").read_text(encoding="utf-8")
_WORDS = sorted({word for line in _WORDINGS.splitlines() for word in line.split("|")[0].split()})
_NASTY = ["${calc}", "$${", "$", "'", '"', "`", "\x00", "\n", "(", ")", "*", "{", "-- ", "”", "\\"]


@given(text=st.text(max_size=300))
def test_any_text(plan: Planner, text: str) -> None:
    Plan.from_wire(plan(text))


@settings(max_examples=300)
@given(words=st.lists(st.sampled_from(_WORDS + _NASTY), max_size=40), later=st.booleans())
def test_any_words(plan: Planner, words: list[str], later: bool) -> None:
    made = plan(" ".join(words), "count the words of every *.md under docs" if later else "")
    Plan.from_wire(made)


_LONG = {
    "words": "a ", "commas": "a,", "quotes": "'a ", "mixed quotes": "\"a' ", "brackets": "(",
    "numbers": "1 ", "sums": "1+", "urls": "http://a,", "requests": "and list files ",
    "minus": "-", "paths": "a.txt ", "newlines": "\n", "bullets": "- a\n", "sum of": "sum of ",
    "globs": "*a", "searches": "find x in *.py. ", "dots": "a.", "slashes": "/", "digits": "1",
    "five": "five ", "braces": "{,", "items": "(1)a ", "backticks": "`a", "colons": "a.csv: ",
    "tables": "total by by in a.csv ", "apostrophes": "a' ", "roots": "square root of ",
    "references": "${a} ", "tldr": "tl;dr ", "summaries": "summarise this text ",
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", _LONG.values(), ids=_LONG.keys())
def test_100_kb_end_soon(plan: Planner, piece: str) -> None:
    started = time.process_time()  # that of others on a busy machine does not count
    plan(piece * (100_000 // len(piece)))
    # Quadratic work would take minutes; a second or less is usual.
    assert time.process_time() - started < 10


def test_what_lies_beyond_the_limit_is_said_to_be_unread(plan: Planner) -> None:
    made = plan("list the csv files. " + "blah " * 20_000 + ". what is 2+2")
    assert "Not understood, and not done" in made["answer"]
