"""The table of branches to ask about again."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from treadle.serving.policy.demotions import Demotions

KEYS = [(program, branch) for program in "PQ" for branch in ("", "left")]


def test_each_is_due_once_at_the_time_that_was_said_last() -> None:
    table: Demotions[str] = Demotions()
    table.add(("P", ""), "first", 10.0)
    table.add(("P", ""), "second", 5.0)
    table.add(("Q", ""), "third", 7.0)
    assert table.next == 5.0
    assert table.due(4.9) == []
    assert table.due(7.0) == [(("P", ""), "second"), (("Q", ""), "third")]
    assert table.next == math.inf
    assert len(table) == 0


def test_infinity_is_never() -> None:
    table: Demotions[None] = Demotions()
    table.add(("P", ""), None, 1.0)
    table.add(("P", ""), None, math.inf)
    assert table.due(1e9) == []


def test_the_one_that_was_added_first_makes_room() -> None:
    table: Demotions[None] = Demotions(most=2)
    for program in "PQR":
        table.add((program, ""), None, 1.0)
    assert [key for key, _ in table.due(1.0)] == [("Q", ""), ("R", "")]


operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(KEYS), st.integers(0, 20)),
        st.tuples(st.just("remove"), st.sampled_from(KEYS), st.just(0)),
        st.tuples(st.just("program"), st.sampled_from(KEYS), st.just(0)),
        st.tuples(st.just("due"), st.just(KEYS[0]), st.integers(0, 20)),
    ),
    max_size=40,
)


@given(operations)
def test_it_is_a_dictionary_with_times(steps: list[tuple[str, tuple[str, str], int]]) -> None:
    table: Demotions[int] = Demotions()
    model: dict[tuple[str, str], tuple[float, int]] = {}
    for number, (what, key, at) in enumerate(steps):
        if what == "add":
            table.add(key, number, at)
            model[key] = (at, number)
        elif what == "remove":
            table.remove(key)
            model.pop(key, None)
        elif what == "program":
            table.remove_program(key[0])
            model = {each: value for each, value in model.items() if each[0] != key[0]}
        else:
            due = {each for each, (when, _) in model.items() if when <= at}
            assert set(table.due(at)) == {(each, model.pop(each)[1]) for each in due}
        assert len(table) == len(model)
        assert table.next == min((when for when, _ in model.values()), default=math.inf)
