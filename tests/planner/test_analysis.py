"""What a plan's graph says, against the definitions."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from treadle.planner import Plan
from treadle.planner.analysis import MOST_REDUCED, critical_path, essential_edges, remaining_path

graphs = st.lists(st.frozensets(st.integers(0, 8), max_size=4), min_size=1, max_size=9).map(
    lambda graph: Plan.from_wire(
        {
            "steps": [
                {"id": f"s{n}", "tool": "t", "after": [f"s{m}" for m in sorted(needs) if m < n]}
                for n, needs in enumerate(graph)
            ]
        }
    )
)


def reachable(edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
    closed = set(edges)
    while (
        more := {(a, d) for (a, b), (c, d) in itertools.product(closed, closed) if b == c} - closed
    ):
        closed |= more
    return closed


@given(graphs)
def test_essential_edges_are_enough_and_none_is_too_many(plan: Plan) -> None:
    every = [(need, step.id) for step in plan.steps for need in step.needs]
    kept = essential_edges(plan)
    assert set(kept) <= set(every)
    assert reachable(kept) == reachable(every)
    for edge in kept:
        assert reachable([each for each in kept if each != edge]) != reachable(every)


@given(graphs, st.lists(st.floats(0, 100), min_size=9, max_size=9))
def test_the_critical_path_is_the_longest(plan: Plan, lengths: list[float]) -> None:
    seconds = {f"s{n}": length for n, length in enumerate(lengths)}
    longest: dict[str, float] = {}
    for step in plan.steps:
        before = max((longest[need] for need in step.needs), default=0.0)
        longest[step.id] = before + seconds[step.id]
    path = critical_path(plan, seconds)
    assert abs(sum(seconds[each] for each in path) - max(longest.values())) < 1e-6
    assert not plan[path[0]].needs
    assert all(first in plan[second].needs for first, second in itertools.pairwise(path))
    remaining = remaining_path(plan, lambda step: seconds[step.id])
    assert abs(max(remaining.values()) - max(longest.values())) < 1e-6


def test_no_steps_have_no_path() -> None:
    assert critical_path(Plan.from_wire({"answer": "x"}), {}) == ()


def test_the_edges_of_a_large_plan_are_not_reduced() -> None:
    steps = [{"id": "s0", "tool": "t"}] + [
        {"id": f"s{n}", "tool": "t", "after": ["s0", f"s{n - 1}"]} for n in range(1, 1_000)
    ]
    plan = Plan.from_wire({"steps": steps})  # type: ignore[dict-item]
    edges = 1 + 2 * 998
    assert len(plan) * edges > MOST_REDUCED
    assert len(essential_edges(plan)) == edges
