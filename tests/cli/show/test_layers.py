"""The order of steps, and which of them are shown."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.show.layers import in_layers
from treadle.cli.show.selection import left_out, selected
from treadle.cli.show.timeline import StepLine, Timeline
from treadle.cli.show.tree import in_tree
from treadle.core.payload import Payload

GRAPHS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghxy"), unique=True, max_size=4)
)


@given(GRAPHS)
def test_any_graph_has_each_step_once(needs: dict[str, list[str]]) -> None:
    assert sorted(in_layers(needs)) == sorted(needs)


@given(GRAPHS)
def test_a_dag_in_any_order_is_put_in_order(graph: dict[str, list[str]]) -> None:
    needs = {step_id: [each for each in mine if each < step_id] for step_id, mine in graph.items()}
    depths = in_layers(needs)
    places = list(depths)
    for step_id, mine in needs.items():
        known = [each for each in mine if each in needs]
        assert depths[step_id] == max((depths[each] + 1 for each in known), default=0)
        assert all(places.index(each) < places.index(step_id) for each in known)


def test_a_chain_of_many_steps_is_no_recursion() -> None:
    count = 20_000
    needs = {str(index): [str(index - 1)] if index else [] for index in range(count)}
    assert in_layers(needs)[str(count - 1)] == count - 1


def line(step_id: str, *needs: str, depth: int = 0, **fields: Any) -> StepLine:
    return StepLine(step_id, "give", needs, Payload({}), depth, **fields)


def test_a_step_stands_beneath_the_deepest_of_its_needs() -> None:
    steps = [line("a"), line("b"), line("c", "a", depth=1), line("d", "b", "c", depth=2)]
    assert [(step.id, depth, others) for step, depth, others in in_tree(steps)] == [
        ("a", 0, ()),
        ("c", 1, ()),
        ("d", 2, ("b",)),
        ("b", 0, ()),
    ]


@given(st.integers(0, 30), st.integers(1, 12), st.sets(st.integers(0, 29)), st.data())
def test_a_selection_keeps_the_order_and_the_limit(
    count: int, most: int, failed: set[int], data: st.DataObject
) -> None:
    steps = tuple(
        line(f"s{index}", look="failed" if index in failed else "succeeded")
        for index in range(count)
    )
    critical = tuple(f"s{index}" for index in range(count) if data.draw(st.booleans()))
    timeline = Timeline(steps=steps, critical=critical)
    chosen = selected(timeline, most)
    assert len(chosen) == min(count, most)
    places = [steps.index(step) for step in chosen]
    assert places == sorted(places)
    assert (left_out(timeline, len(chosen)) is None) == (count <= most)
