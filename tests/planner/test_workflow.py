"""Workflows: Python that writes plans."""

from typing import Any, cast

import pytest

from treadle import INDEX, ITEM, Agent, Plan, Runtime, step, tool, workflow
from treadle.core.errors import ConfigError, PlanError
from treadle.planner.reference import Reference, parse_value, resolve


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
        lambda h: {h: 1}, lambda h: {h}, lambda h: -h, abs, round, reversed, sorted, range,
        lambda h: [1] * h, lambda h: 2 % h, lambda h: 2**h, lambda h: divmod(h, 2),
        lambda h: h & 1, lambda h: h | h, lambda h: not h, lambda h: h in [1], lambda h: "a" + h,
        lambda h: [*h], lambda h: max(h, 1), lambda h: sum([h, 1]), lambda h: h[True], lambda h: h[h],
    ],
)  # fmt: skip
def test_control_flow_over_unknown_values_is_refused(use: Any) -> None:
    @workflow
    def decides() -> Any:
        return use(add(1))

    with pytest.raises((PlanError, TypeError)) as caught:
        decides.plan()
    assert isinstance(caught.value, PlanError) or use is str.upper
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


def wire_of(function: Any) -> dict[str, Any]:
    return workflow(function).plan().wire()  # type: ignore[return-value]


def test_a_dollar_before_a_value_stays_a_dollar() -> None:
    def priced() -> Any:
        price = add(100)
        return f"${price} or $${price} or ${{{price}}} or {price}$"

    assert workflow(priced).plan().answer == parse_value(
        "$$${add} or $$$$${add} or $${${add}} or ${add}$"
    )
    runtime = Runtime(model="offline", tools=[add], builtins=False)
    assert runtime.run_sync(workflow(priced).plan()).answer == "$101 or $$101 or ${101} or 101$"


@pytest.mark.parametrize(
    "text",
    ["${add}", "\x02${add}\x03", "\x02add\x03", "$${", "$", "$$${add}", "{", "Handle(${add})"],
)
def test_text_from_elsewhere_is_never_a_reference(text: str) -> None:
    def quotes() -> Any:
        add(1)
        return show({"k": [text, f"{text}!"]})

    made = workflow(quotes).plan()
    assert made["show"].needs == ()
    lookup: dict[str, Any] = {}
    assert resolve(made["show"].arguments, lookup.__getitem__) == {
        "value": {"k": [text, text + "!"]}
    }


def test_handles_are_found_everywhere() -> None:
    def collects() -> Any:
        one, two = add(1), add(2)
        return show(({"a": [one, (two["x"], f"{one}-{two[0]}")]}, f"{one}", str(two)))

    assert wire_of(collects)["steps"][2]["args"]["value"] == [
        {"a": ["${add}", ["${add_2.x}", "${add}-${add_2[0]}"]]}, "${add}", "${add_2}",
    ]  # fmt: skip


def test_odd_keys_are_paths_or_errors() -> None:
    def picks(key: Any) -> Any:
        return add(1)[key]

    for key in ("plain", "two words", "it's", 'say "x"', "", "]", "}", "a\nb", "${", -3):
        assert workflow(picks).plan(key).answer == Reference("add", (key,))
    with pytest.raises(PlanError, match="bad_reference"):
        workflow(picks).plan("""both ' and \"""")


def test_names_of_steps_never_clash() -> None:
    item = tool(name="item")(lambda: 1)
    dotted = tool(name="a.b")(lambda: 1)

    def clashes() -> Any:
        step(add, id="add_2")(1)
        return [add(1), add(1), add(1), item(), dotted(), dotted()]

    ids = [each["id"] for each in wire_of(clashes)["steps"]]
    assert ids == ["add_2", "add", "add_3", "add_4", "item_2", "a_b", "a_b_2"]


def test_step_takes_only_what_adds_a_step() -> None:
    def wrong() -> Any:
        return step(len)([1])

    with pytest.raises(ConfigError, match="bad_workflow"):
        workflow(wrong).plan()
    with pytest.raises(ConfigError, match="bad_workflow"):
        step(add, id="x")(1)


def test_options_end_with_their_step() -> None:
    def mixed() -> Any:
        careful = step(add, on_failure="skip", after=[add(1)])
        return [careful(2), add(3)]

    documents = wire_of(mixed)["steps"]
    assert [each.get("on_failure") for each in documents] == [None, "skip", None]


@pytest.mark.parametrize(
    ("use", "code"),
    [
        (lambda: step(add, when="1 +")(1), "bad_condition"),
        (lambda: step(add, for_each=cast(Any, "abc"))(1), "bad_step"),
        (lambda: step(add, id="a.b")(1), "bad_step_id"),
        (lambda: step(add, id="")(1), "bad_step_id"),
        (lambda: [step(add, id="x")(1), step(add, id="x")(2)], "duplicate_id"),
        (lambda: add(ITEM), "dangling_reference"),
        (lambda: step(add, timeout=-1)(1), "bad_step"),
        (lambda: add(10**5_000), "not_json"),
        (lambda: add(float("nan")), "not_json"),
        (lambda: add({1, 2}), "not_json"),
        (lambda: add({1: 2}), "not_json"),
        (lambda: add({f"{add(1)}": 2}), "bad_reference"),
        (lambda: None, "empty_plan"),
        (lambda: step(add, after=add(1))(2), "unknown_value"),
    ],
)
def test_mistakes_have_codes(use: Any, code: str) -> None:
    with pytest.raises(PlanError) as caught:
        workflow(use).plan()
    assert caught.value.code == code


def test_a_handle_of_another_plan_is_an_error() -> None:
    kept: list[Any] = []
    workflow(lambda: kept.append(step(add, id="other")(1))).plan()
    with pytest.raises(PlanError, match="dangling_reference"):
        workflow(lambda: add(kept[0])).plan()


def test_generators_and_coroutines_are_refused() -> None:
    async def waits() -> None: ...

    def yields() -> Any:
        yield 1

    async def both() -> Any:
        yield 1

    for function in (waits, yields, both):
        with pytest.raises(ConfigError, match="bad_workflow"):
            workflow(function)


def test_an_error_ends_the_tracing() -> None:
    def fails() -> Any:
        raise KeyError("x")

    with pytest.raises(KeyError):
        workflow(fails).plan()
    assert add(1, 2) == 3
