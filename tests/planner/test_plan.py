"""Plans as values: structure, identity, JSON, patches, pictures."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import PlanError
from treadle.planner import OnFailure, Plan, PlanPatch, Retry, Step, to_dot, to_mermaid, to_tree
from treadle.planner.analysis import critical_path, essential_edges


def plan(*steps: dict[str, Any], answer: Any = None) -> Plan:
    return Plan.from_wire({"steps": [{"tool": "t", **step} for step in steps], "answer": answer})


def code_of(document: Any) -> str:
    with pytest.raises(PlanError) as caught:
        Plan.from_wire(document)
    return caught.value.code


def steps(*documents: Any) -> dict[str, Any]:
    return {"steps": [{"tool": "t", **each} for each in documents]}


@st.composite
def wire_plans(draw: st.DrawFn) -> dict[str, Any]:
    """Random well-formed plans: each step refers only backwards."""
    count = draw(st.integers(1, 8))
    documents: list[dict[str, Any]] = []
    for number in range(count):
        earlier = [each["id"] for each in documents]
        refer = (
            st.sampled_from(earlier).map(lambda each: "${" + each + "}") if earlier else st.just(1)
        )
        document: dict[str, Any] = {
            "id": f"s{number}",
            "tool": draw(st.sampled_from(["t", "u"])),
            "args": draw(
                st.dictionaries(st.sampled_from("xyz"), refer | st.integers() | st.text())
            ),
        }
        document["args"] = {
            key: value.replace("${", "$${")
            if isinstance(value, str) and not value.startswith("${s")
            else value
            for key, value in document["args"].items()
        }
        if earlier:
            document |= draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "after": st.lists(st.sampled_from(earlier), max_size=2),
                        "when": st.sampled_from(earlier).map(lambda each: "${" + each + "} > 1"),
                        "for_each": st.sampled_from(earlier).map(lambda each: "${" + each + "}"),
                    },
                )
            )
        document |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "note": st.text(),
                    "timeout": st.floats(0.1, 100),
                    "retry": st.integers(1, 5),
                    "on_failure": st.sampled_from(list(OnFailure)).map(str),
                },
            )
        )
        documents.append(document)
    return {"steps": documents, "answer": "${s0}"}


@given(wire_plans())
def test_json_round_trip(document: dict[str, Any]) -> None:
    first = Plan.from_wire(document)
    second = Plan.from_json(first.to_json())
    assert second == first
    assert second.wire() == first.wire()
    assert hash(second) == hash(first)


@given(wire_plans(), st.randoms())
def test_the_hash_depends_on_the_content_alone(
    document: dict[str, Any], chance: random.Random
) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            chance.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return value

    same = {
        "answer": document["answer"],
        "version": 7,
        "steps": [{**shuffled(each), "note": "another"} for each in document["steps"]],
    }
    assert Plan.from_wire(same).hash == Plan.from_wire(document).hash


def test_the_hash_tells_values_apart() -> None:
    hashes = {
        plan({"id": "a", "args": {"x": value}}).hash for value in (1, True, 1.5, "1", None, [1])
    }
    assert len(hashes) == 6
    assert plan({"id": "a"}).hash != plan({"id": "b"}).hash
    assert plan({"id": "a"}, answer="x").hash != plan({"id": "a"}, answer="y").hash
    assert plan({"id": "a"}).hash != plan({"id": "a", "on_failure": "skip"}).hash


def test_independent_steps_in_another_order_are_the_same_plan() -> None:
    assert plan({"id": "a"}, {"id": "b"}) == plan({"id": "b"}, {"id": "a"})


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"steps": []}, "empty_plan"),
        (steps({"id": "a"}, {"id": "a"}), "duplicate_id"),
        (steps({"id": "a", "after": ["z"]}), "dangling_reference"),
        (steps({"id": "a", "args": {"x": ["${b}"]}}, {"id": "b"}), "forward_reference"),
        (steps({"id": "a", "args": {"x": "${a}"}}), "cycle"),
        (steps({"id": "a", "after": ["b"]}, {"id": "b", "when": "${a}"}), "cycle"),
        ({"steps": [{"id": "a", "tool": "t"}], "answer": "${b}"}, "dangling_reference"),
        (steps({"id": "a.b"}), "bad_step_id"),
        (steps({"id": ""}), "bad_step_id"),
        (steps({"id": 5}), "bad_step_id"),
        (steps({"id": "item"}), "bad_step_id"),
        (steps({"id": "a", "tool": ""}), "bad_step"),
        (steps({"id": "a", "tool": None}), "bad_step"),
        (steps({"id": "a", "args": []}), "bad_step"),
        (steps({"id": "a", "after": "b"}), "bad_step"),
        (steps({"id": "a", "for_each": "x"}), "bad_step"),
        (steps({"id": "a", "for_each": 3}), "bad_step"),
        (steps({"id": "a", "timeout": 0}), "bad_step"),
        (steps({"id": "a", "timeout": True}), "bad_step"),
        (steps({"id": "a", "retry": 0}), "bad_step"),
        (steps({"id": "a", "retry": {"times": 2}}), "bad_step"),
        (steps({"id": "a", "on_failure": "shrug"}), "bad_step"),
        (steps({"id": "a", "argz": {}}), "unknown_field"),
        ({"steps": [], "answer": "x", "thoughts": ""}, "unknown_field"),
        ({"steps": {}, "answer": "x"}, "bad_plan"),
        ({"steps": [], "answer": "x", "version": 0}, "bad_plan"),
        (["steps"], "no_plan"),
        (steps({"id": "a", "when": "${a.b"}), "bad_reference"),
    ],
)
def test_malformed_plans(document: Any, code: str) -> None:
    assert code_of(document) == code


def test_item_is_only_known_inside_a_fan_out() -> None:
    inside = plan({"id": "a", "for_each": [1], "args": {"x": "${item} ${index}"}})
    assert inside["a"].needs == ()
    assert code_of(steps({"id": "a", "args": {"x": "${item}"}})) == "dangling_reference"


def test_needs_come_from_everywhere_once() -> None:
    made = plan(
        {"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"},
        {"id": "e", "args": {"x": [{"y": "${a.b} ${b}"}]}, "when": "${c}", "for_each": "${d}",
         "after": ["a"]},
    )  # fmt: skip
    assert made["e"].needs == ("d", "c", "a", "b")


def test_retry_waits_grow_to_a_limit() -> None:
    retry = Retry(attempts=10, delay=1, max_delay=5)
    assert [retry.wait_before(attempt) for attempt in (2, 3, 4, 5, 9)] == [1, 2, 4, 5, 5]


def test_a_step_keeps_its_own_arguments() -> None:
    document = {"id": "a", "tool": "t", "args": {"x": [1]}}
    step = Step.from_wire(document)  # type: ignore[arg-type]
    step.args["x"].append(2)  # type: ignore[union-attr]
    assert step.args == {"x": [1]}


def test_patches_make_new_versions() -> None:
    first = plan({"id": "a"}, {"id": "b", "args": {"x": "${a}"}}, answer="${b}")
    patch = PlanPatch.from_wire(
        {
            "add": [{"id": "c", "tool": "t"}],
            "replace": [{"id": "b", "tool": "t", "args": {"x": "${c}"}}],
        }
    )
    second = patch.apply(first, started={"a"})
    assert (second.version, first.version) == (2, 1)
    assert [step.id for step in second.steps] == ["a", "c", "b"]
    assert Plan.from_json(second.to_json()).version == 2


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({}, "empty_patch"),
        ({"drop": ["a"]}, "dangling_reference"),
        ({"drop": ["z"]}, "unknown_step"),
        ({"replace": [{"id": "s", "tool": "t"}]}, "step_started"),
        ({"drop": ["s"]}, "step_started"),
        ({"add": [{"id": "a", "tool": "t"}]}, "duplicate_id"),
        ({"add": [{"id": "c", "tool": "t", "after": ["c"]}]}, "cycle"),
        ({"add": 1}, "bad_patch"),
        ({"remove": []}, "bad_patch"),
        ("drop everything", "bad_patch"),
    ],
)
def test_bad_patches(patch: Any, code: str) -> None:
    first = plan({"id": "s"}, {"id": "a"}, {"id": "b", "args": {"x": "${a}"}})
    with pytest.raises(PlanError) as caught:
        PlanPatch.from_wire(patch).apply(first, started={"s"})
    assert caught.value.code == code


HOSTILE = 'x"] --> y\n<script>;`#\\'


def test_pictures_survive_hostile_text() -> None:
    made = plan(
        {"id": "a", "args": {"x": HOSTILE}}, {"id": "b", "when": f"${{a}} == {HOSTILE[:1]!r}"}
    )
    mermaid = to_mermaid(made)
    assert len(mermaid.splitlines()) == 4
    assert "<script>" not in mermaid
    assert mermaid.count("-->") == 1
    dot = to_dot(made)
    assert len(dot.splitlines()) == 6
    assert len(to_tree(made).splitlines()) == 2


def test_pictures_of_large_plans() -> None:
    chain = plan(*({"id": f"s{n}", "after": [f"s{n - 1}"] if n else []} for n in range(3_000)))
    assert len(to_tree(chain).splitlines()) == 3_000
    assert to_mermaid(chain).count("-->") == 2_999
    assert to_dot(chain).count("->") == 2_999


def test_the_tree_shows_each_step_once() -> None:
    made = plan(
        {"id": "a"}, {"id": "b"}, {"id": "c", "after": ["a", "b"]}, {"id": "d", "after": ["c"]}
    )
    text = to_tree(made)
    assert [text.count(f"{each}: t") for each in "abcd"] == [1, 1, 1, 1]
    assert "(also after a)" in text


def test_analysis() -> None:
    made = plan(
        {"id": "a"}, {"id": "b", "after": ["a"]}, {"id": "c", "after": ["a", "b"]}, {"id": "d"}
    )
    assert essential_edges(made) == [("a", "b"), ("b", "c")]
    assert critical_path(made, {"a": 1, "b": 1, "c": 1, "d": 2.5}) == ("a", "b", "c")
    assert critical_path(made, {"d": 9}) == ("d",)


def test_wire_form_leaves_defaults_out() -> None:
    assert json.loads(plan({"id": "a"}).to_json()) == {
        "steps": [{"id": "a", "tool": "t", "args": {}}]
    }
