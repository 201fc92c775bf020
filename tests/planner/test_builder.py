"""Plans under construction: what is good is kept, what is not is named, in any order of repair."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import Plan, tool
from treadle.core.errors import PlanError
from treadle.planner.builder import PlanBuilder
from treadle.tools import ToolRegistry


@tool
def use(x: Any = None) -> Any:
    """Use."""
    return x


TOOLS = ToolRegistry([use])


def doc(step_id: str, *after: str, tool_name: str = "use") -> dict[str, Any]:
    return {"id": step_id, "tool": tool_name, "args": {}, "after": list(after)}


def ids(steps: Any) -> list[str]:
    return [step.id for step in steps]


def codes(builder: PlanBuilder) -> list[str]:
    return [problem.error.code for problem in builder.take_problems()]


def test_steps_wait_for_a_broken_one_and_follow_its_repair() -> None:
    builder = PlanBuilder(TOOLS)
    assert builder.add(doc("a", tool_name="uze")) == []
    assert builder.add(doc("b", "a")) == []
    assert builder.add(doc("c", "b")) == []
    assert ids(builder.add(doc("d"))) == ["d"]
    builder.end()
    assert codes(builder) == ["unknown_tool"]
    assert builder.waiting == ("b", "c")
    assert ids(builder.add(doc("a"))) == ["a", "b", "c"]
    builder.end()
    assert codes(builder) == []
    assert ids(builder.build().steps) == ["d", "a", "b", "c"]


def test_a_repair_in_an_unfortunate_order() -> None:
    """All three were broken, and come back before what they need."""
    builder = PlanBuilder(TOOLS)
    for name in "acd":
        builder.add(doc(name, tool_name="nope"))
    builder.end()
    assert codes(builder) == ["unknown_tool"] * 3
    assert builder.add(doc("c", "a")) == []
    assert builder.add(doc("d", "a", "c")) == []
    assert ids(builder.add(doc("a"))) == ["a", "c", "d"]
    assert ids(builder.build().steps) == ["a", "c", "d"]


def test_saying_it_again_is_no_duplicate_only_in_a_repair() -> None:
    builder = PlanBuilder(TOOLS)
    builder.add(doc("a"))
    assert builder.add(doc("a")) == []
    assert codes(builder) == ["duplicate_id"]
    assert builder.add(doc("a")) == []
    assert codes(builder) == []
    assert builder.add({**doc("a"), "note": "changed"}) == []
    assert codes(builder) == ["duplicate_id"]
    assert builder.build()["a"].note is None, "the first one stays"


def test_problems_are_described_shortly() -> None:
    builder = PlanBuilder(TOOLS)
    builder.add({"id": "a", "tool": "x" * 1_000_000})
    (problem,) = builder.take_problems()
    assert problem.described().startswith("- unknown_tool: step 'a': ")
    assert len(problem.described()) < 3_000


names = st.sampled_from("abcde")
documents = st.builds(
    lambda name, needs, tool_name: doc(name, *needs, tool_name=tool_name),
    names,
    st.lists(names, max_size=3),
    st.sampled_from(["use", "use", "use", "nope"]),
)


@settings(max_examples=300)
@given(st.lists(st.lists(documents | st.none(), max_size=6), min_size=1, max_size=4))
def test_whatever_comes_gives_a_plan_or_coded_problems(rounds: list[list[Any]]) -> None:
    builder = PlanBuilder(TOOLS)
    yielded: list[str] = []
    for each in rounds:
        for document in each:
            for step in builder.add(document):
                assert set(step.needs) <= set(yielded), "never before what it needs"
                yielded.append(step.id)
        builder.end()
        builder.take_problems()
    assert len(set(yielded)) == len(yielded)
    assert tuple(ids(builder.accepted)) == tuple(yielded)
    try:
        plan = builder.build()
    except PlanError as error:
        assert error.code in {
            "empty_plan", "dangling_reference", "cycle", "forward_reference",
        }  # fmt: skip
    else:
        assert isinstance(plan, Plan)
        assert sorted(ids(plan.steps)) == sorted(yielded)


@given(st.permutations([doc("a"), doc("b", "a"), doc("c", "a", "b"), doc("d", "c"), None]))
def test_nothing_is_dropped_without_a_word(order: list[Any]) -> None:
    builder = PlanBuilder(TOOLS)
    for document in order:
        builder.add(document)
    builder.end()
    named = [problem.error.step_id for problem in builder.take_problems()]
    assert sorted([*named, *ids(builder.accepted), *builder.waiting], key=str) == sorted(
        ["a", "b", "c", "d", None], key=str
    )


@pytest.mark.parametrize("answer", ["${z}", "${", {"x": "${z.y}"}])
def test_a_wrong_answer_is_a_problem_of_the_plan(answer: Any) -> None:
    builder = PlanBuilder(TOOLS)
    builder.add(doc("a"))
    builder.set_answer(answer)
    builder.end()
    assert codes(builder) in (["dangling_reference"], ["bad_reference"])
    builder.set_answer("${a}")
    assert builder.build().wire()["answer"] == "${a}"
