"""Where facts go in time, against a model that colours single moments."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.memory.writing.intervals import Held, Stated, place

LENGTH = 12
"""Moments that the model has; the last one stands for all after it."""

Span = tuple[float, float]


@dataclass
class Timeline:
    """What `place` makes, as a store would keep it."""

    rows: dict[int, Held] = field(default_factory=dict)
    stated: set[Stated] = field(default_factory=set)
    made: int = 0

    def add(self, key: str, start: float, end: float) -> None:
        self.made += 1
        self.rows[self.made] = Held(self.made, key, start, end)

    def tell(self, key: str, start: float, end: float) -> None:
        placed = place(list(self.rows.values()), key, start, end, list(self.stated))
        if placed.start is None:
            if placed.duplicate_of is not None:
                assert self.rows[placed.duplicate_of].key == key
                self.stated.add(Stated(key, start))
            return
        assert placed.end is not None
        for number, begun, ended in placed.remains:
            self.add(str(self.rows[number].key), begun, ended)
        for number in placed.merged:
            self.stated |= {Stated(key, start), Stated(key, self.rows[number].start)}
        for number in placed.cut:
            self.stated.add(Stated(self.rows[number].key, self.rows[number].start))
        for number in (*placed.merged, *placed.cut):
            del self.rows[number]
        self.add(key, placed.start, placed.end)

    def at(self, moment: float) -> set[str]:
        return {str(row.key) for row in self.rows.values() if row.start <= moment < row.end}


@dataclass
class Model:
    """One object for each moment. Before the first one lies all that was earlier."""

    cells: list[str | None] = field(default_factory=lambda: [None] * (LENGTH + 1))
    stated: set[tuple[str, int]] = field(default_factory=set)

    def tell(self, key: str, start: float, end: float) -> None:
        begun = [(self.cells[cell], cell) for cell in range(1, LENGTH + 1) if self._begins(cell)]
        self._tell(key, start, end)
        # Whatever has become of it, it was said to begin there.
        self.stated |= {(was, cell) for was, cell in begun if was}

    def _tell(self, key: str, start: float, end: float) -> None:
        cells = self.cells
        if start == -math.inf:
            self._fill_before(key, int(end))
            return
        first = int(start) + 1
        self.stated.add((key, first))
        if end < math.inf:
            cells[first : int(end) + 1] = [key] * (int(end) - int(start))
            return
        if cells[first] == key:
            return
        last = first + 1
        while last <= LENGTH and not self._begins(last):
            last += 1
        cells[first:last] = [key] * (last - first)

    def _begins(self, cell: int) -> bool:
        """Whether something begins there, or was said to hold from there on, and does."""
        here = self.cells[cell]
        if here is None:
            return False
        return here != self.cells[cell - 1] or (here, cell) in self.stated

    def _fill_before(self, key: str, end: int) -> None:
        last = end
        while last >= 0 and self.cells[last] is not None:
            if self.cells[last] == key:
                return
            last -= 1
        while last >= 0 and self.cells[last] is None:
            self.cells[last] = key
            last -= 1


moments = st.integers(0, LENGTH - 1)
keys = st.sampled_from("abc")


@st.composite
def told(draw: st.DrawFn) -> tuple[str, float, float]:
    key = draw(keys)
    shape = draw(st.sampled_from(["open", "closed", "before"]))
    if shape == "open":
        return key, draw(moments), math.inf
    if shape == "before":
        return key, -math.inf, draw(st.integers(1, LENGTH - 1))
    start = draw(st.integers(0, LENGTH - 2))
    return key, start, draw(st.integers(start + 1, LENGTH - 1))


@settings(max_examples=400, deadline=None)
@given(st.lists(told(), max_size=14))
def test_every_moment_has_what_the_model_says(statements: list[tuple[str, float, float]]) -> None:
    timeline, model = Timeline(), Model()
    for statement in statements:
        timeline.tell(*statement)
        model.tell(*statement)
        for moment in range(-1, LENGTH):
            expected = model.cells[moment + 1]
            assert timeline.at(moment) == ({expected} if expected else set())
        rows = sorted(timeline.rows.values(), key=lambda row: row.start)
        for row, following in pairwise(rows):
            assert row.start < row.end <= following.start
            assert row.key != following.key or row.end < following.start


@settings(max_examples=300, deadline=None)
@given(st.permutations(list(enumerate("abacbba"))))
def test_the_order_of_telling_does_not_matter(order: list[tuple[int, str]]) -> None:
    timeline = Timeline()
    for start, key in order:
        timeline.tell(key, start, math.inf)
    for moment, key in enumerate("abacbba"):
        assert timeline.at(moment) == {key}
    assert timeline.at(-1) == set()


@pytest.mark.parametrize(
    ("told_first", "then", "expected"),
    [
        # moved on
        ([("paris", 0, math.inf)], ("rome", 5, math.inf), {"paris": (0, 5), "rome": (5, math.inf)}),
        # an older one, later
        ([("rome", 5, math.inf)], ("paris", 0, math.inf), {"paris": (0, 5), "rome": (5, math.inf)}),
        # a correction: from the same start
        ([("paris", 0, math.inf)], ("rome", 0, math.inf), {"rome": (0, math.inf)}),
        # said again
        ([("paris", 0, math.inf)], ("paris", 5, math.inf), {"paris": (0, math.inf)}),
        # known to have begun earlier
        ([("paris", 5, math.inf)], ("paris", 0, math.inf), {"paris": (0, math.inf)}),
        # used to, with nothing before
        (
            [("paris", 5, math.inf)],
            ("rome", -math.inf, 8),
            {"rome": (-math.inf, 5), "paris": (5, math.inf)},
        ),
    ],
)
def test_common_cases(
    told_first: list[tuple[str, float, float]],
    then: tuple[str, float, float],
    expected: dict[str, Span],
) -> None:
    timeline = Timeline()
    for statement in (*told_first, then):
        timeline.tell(*statement)
    assert {row.key: (row.start, row.end) for row in timeline.rows.values()} == expected


def test_a_stretch_within_splits() -> None:
    timeline = Timeline()
    timeline.tell("paris", 0, math.inf)
    timeline.tell("rome", 3, 5)
    assert sorted((row.start, row.end, row.key) for row in timeline.rows.values()) == [
        (0, 3, "paris"),
        (3, 5, "rome"),
        (5, math.inf, "paris"),
    ]
