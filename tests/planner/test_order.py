"""The order of steps: what is wrong with it, by step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import PlanError
from treadle.planner import Step
from treadle.planner.order import check_order, order_errors


def steps(**needs: str) -> list[Step]:
    return [
        Step.from_wire({"id": name, "tool": "t", "after": list(each)})
        for name, each in needs.items()
    ]


def codes(**needs: str) -> dict[str, str]:
    return {name: error.code for name, error in order_errors(steps(**needs)).items()}


def test_each_step_gets_its_own_code() -> None:
    assert codes(a="", b="a") == {}
    assert codes(a="a") == {"a": "cycle"}
    assert codes(a="b", b="") == {"a": "forward_reference"}
    assert codes(a="z") == {"a": "dangling_reference"}
    # Only one edge of a cycle points forward; steps beside it are not blamed.
    assert codes(a="c", b="a", c="b", d="c", e="") == {"a": "cycle"}
    assert codes(x="a", a="b", b="a") == {"x": "forward_reference", "a": "cycle"}


def test_errors_name_the_step_and_what_it_needs() -> None:
    with pytest.raises(PlanError, match="step 'a': it needs 'z'") as caught:
        check_order(steps(a="z"))
    assert caught.value.step_id == "a"


graphs = st.integers(1, 8).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size), max_size=3, unique=True), min_size=size, max_size=size
    )
)


@given(graphs)
def test_an_order_is_right_or_an_error_says_so(graph: list[list[int]]) -> None:
    made = [
        Step.from_wire({"id": f"s{n}", "tool": "t", "after": [f"s{need}" for need in needs]})
        for n, needs in enumerate(graph)
    ]
    right = all(need < n for n, needs in enumerate(graph) for need in needs)
    assert (not order_errors(made)) == right
    # What can be put in order has neither cycles nor dangling needs, and is right then.
    placed: list[Step] = []
    while ready := [
        step
        for step in made
        if step not in placed and {each.id for each in placed}.issuperset(step.needs)
    ]:
        placed.append(ready[-1])
    if len(placed) == len(made):
        check_order(placed)
        assert {error.code for error in order_errors(made).values()} <= {"forward_reference"}


def test_ten_thousand_steps_with_a_cycle_end_soon() -> None:
    chain = [
        Step.from_wire({"id": f"s{n}", "tool": "t", "after": [f"s{(n - 1) % 10_000}"]})
        for n in range(10_000)
    ]
    assert [error.code for error in order_errors(chain).values()] == ["cycle"]
