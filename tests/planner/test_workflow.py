"""Workflows: Python that writes plans."""

from typing import Any

import pytest

from treadle import INDEX, ITEM, Agent, Plan, Runtime, step, tool, workflow
from treadle.core.errors import ConfigError, PlanError


@tool(effect="pure")
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@tool(effect="pure")
def show(value: Any) -> str:
    """Show."""
    return repr(value)


def test_calls_are_steps_and_handles_are_edges() -> None:
    @workflow
    def sums(start: int) -> Any:
        first = add(start, b=2)
        second = add(first)
        return {"text": f"{first} and {second}", "list": [second, first["x"][0], 7]}

    made = sums.plan(4)
    expected = {
        "steps": [
            {"id": "add", "tool": "add", "args": {"a": 4, "b": 2}},
            {"id": "add_2", "tool": "add", "args": {"a": "${add}"}},
        ],
        "answer": {"text": "${add} and ${add_2}", "list": ["${add_2}", "${add.x[0]}", 7]},
    }
    assert made.wire() == expected
    assert made == Plan.from_wire(expected)  # type: ignore[arg-type]


def test_it_runs() -> None:
    @workflow
    def both() -> Any:
        parts = step(add, for_each=[1, 2, 3])(ITEM, INDEX)
        odd = step(show, when=f"len({parts}) > 5")(parts)
        return [parts, odd, "costs ${5}"]

    runtime = Runtime(model="offline", tools=[add, show], builtins=False)
    assert runtime.run_sync(both.plan()).answer == [[1, 3, 5], None, "costs ${5}"]


def test_options_reach_the_step() -> None:
    @workflow
    def careful() -> Any:
        first = add(1)
        return step(
            add, id="last", after=[first], note="n", timeout=3, retry={"attempts": 2},
            on_failure="skip",
        )(2)  # fmt: skip

    document = careful.plan().wire()["steps"][1]  # type: ignore[index,call-overload]
    assert document == {
        "id": "last", "tool": "add", "args": {"a": 2}, "after": ["add"], "note": "n",
        "timeout": 3.0, "retry": {"attempts": 2, "delay": 0.5, "max_delay": 30.0},
        "on_failure": "skip",
    }  # fmt: skip


def test_workflows_nest_and_agents_are_called() -> None:
    helper = Agent("helper", "Help.")

    @workflow
    def inner(value: Any) -> Any:
        return add(value)

    @workflow
    def outer() -> Any:
        return helper(f"look at {inner(inner(1))}")

    assert [each.tool for each in outer.plan().steps] == ["add", "add", "helper"]
    assert outer.plan()["helper"].args == {"task": "look at ${add_2}"}


@pytest.mark.parametrize(
    "use",
    [
        bool, list, len, int, float, hash, str.upper,
        lambda h: h == 1, lambda h: h != 1, lambda h: h < 1, lambda h: h + 1, lambda h: 1 + h,
        lambda h: 1 in h, lambda h: f"{h:>5}", lambda h: h[1:2], lambda h: [0][h],
    ],
)  # fmt: skip
def test_control_flow_over_unknown_values_is_refused(use: Any) -> None:
    @workflow
    def decides() -> Any:
        return use(add(1))

    with pytest.raises((PlanError, TypeError)) as caught:
        decides.plan()
    if isinstance(caught.value, PlanError):
        assert caught.value.code == "unknown_value"


def test_an_if_over_a_handle_says_what_to_do() -> None:
    @workflow
    def branches() -> Any:
        return add(1) if add(2) else add(3)

    with pytest.raises(PlanError, match=r"unknown_value.*when="):
        branches.plan()


def test_wrong_calls() -> None:
    @workflow
    def too_many() -> Any:
        return add(1, 2, 3)

    @workflow
    def twice() -> Any:
        return add(1, a=2)

    @workflow
    def foreign() -> Any:
        return add(object())

    for broken, code in (
        (too_many, "invalid_arguments"),
        (twice, "invalid_arguments"),
        (foreign, "not_json"),
    ):
        with pytest.raises(PlanError) as caught:
            broken.plan()
        assert caught.value.code == code
    with pytest.raises(ConfigError, match="bad_workflow"):

        @workflow
        async def waits() -> None: ...

    with pytest.raises(ConfigError, match="not_in_workflow"):
        too_many()
    assert add(1, 2) == 3, "tracing has ended"
