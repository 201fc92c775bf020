"""Random plans, and what must come out of each, worked out without an executor."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.crash.tools import FAILING, MAKES_LIST, REPEATABLE, failure_of, number_of, output_of
from tests.crash.world import call_key
from treadle.core.json_value import JsonValue

_KINDS = (
    *("look", "look", "compute", "flaky", "big", "fail"),
    *("write", "hold", "send", "checked", "checked", "put", "put", "undoable", "refuse"),
)
_PAUSES = (0, 0, 0.001, 0.005, 0.02, 0.04)

Call = tuple[str, int | None]
"""A step and, in a fan-out, the item's number."""


def random_plan(random: random.Random, without: Collection[str] = ()) -> dict[str, Any]:
    """A plan of 3 to 12 steps in its wire form: chains, joins, fan-outs, conditions, failures.

    without: tools that it does not use.
    """
    kinds = [kind for kind in _KINDS if kind not in without]
    steps: list[dict[str, Any]] = []
    for number in range(random.randint(3, 12)):
        steps.append(_random_step(random, f"s{number}", steps, kinds))
    return {"steps": steps, "answer": [f"${{{step['id']}}}" for step in steps]}


def _random_step(
    random: random.Random, name: str, before: list[dict[str, Any]], kinds: list[str]
) -> dict[str, Any]:
    tool = random.choice(kinds)
    chained = before[-1:] if random.random() < 0.5 else []
    sources = chained + random.sample(before, min(len(before), random.randint(0, 2)))
    args: dict[str, Any] = {
        "name": name,
        "x": [f"${{{step['id']}}}" for step in sources],
        "before": random.choice(_PAUSES),
        "after": random.choice(_PAUSES),
    }
    step: dict[str, Any] = {"id": name, "tool": tool, "args": args}
    lists = [each["id"] for each in before if _has_list(each)]
    if tool != "big" and random.random() < 0.3:
        fixed: list[int] = list(range(random.randint(1, 6)))
        step["for_each"] = (
            f"${{{random.choice(lists)}.list}}" if lists and random.random() < 0.5 else fixed
        )
        args["item"] = "${item}"
    if lists and random.random() < 0.2:
        step["when"] = f"${{{random.choice(lists)}.n}} >= 50"
    if before and random.random() < 0.1:
        step["after"] = [random.choice(before)["id"]]
    if tool == "flaky":
        step["retry"] = {"attempts": 3, "delay": 0.005}
    if tool in FAILING:
        step["on_failure"] = random.choice(("skip", "value"))
    return step


def _has_list(step: dict[str, Any]) -> bool:
    return step["tool"] in MAKES_LIST and "for_each" not in step


@dataclass(slots=True)
class Expected:
    """What a run of a plan must come to.

    status: of each step. outputs: of the steps that hand one on. effects: how often each happens.
    calls: the calls of each step, by their number.
    """

    status: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, JsonValue] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    calls: dict[str, dict[int | None, str]] = field(default_factory=dict)
    answer: list[JsonValue] = field(default_factory=list)


def expect(plan: dict[str, Any], done: Collection[Call] = ()) -> Expected:
    """What must come out of `plan`.

    done: the calls of which a person said that they happened: what they gave is not known.
    """
    expected = Expected()
    for step in plan["steps"]:
        _run(step, expected, done)
    expected.answer = [expected.outputs.get(step["id"]) for step in plan["steps"]]
    return expected


def _run(step: dict[str, Any], expected: Expected, done: Collection[Call]) -> None:
    name = step["id"]
    expected.calls[name] = {}
    holds = "when" not in step or number_of(_referred(step["when"])) >= 50
    if not holds or any(need not in expected.outputs for need in needs(step)):
        expected.status[name] = "skipped"
        return
    x = [expected.outputs[_referred(each)] for each in step["args"]["x"]]
    expected.status[name] = "succeeded"
    if "for_each" in step:
        results = [
            _call(step, x, item, index, expected, done)
            for index, item in enumerate(_items(step, expected))
        ]
        output: JsonValue = results
        # A fan-out with the policy `value` succeeds: the errors are among its outputs.
        if step["tool"] in FAILING and results and step["on_failure"] == "skip":
            expected.status[name] = "failed"
    else:
        output = _call(step, x, None, None, expected, done)
        if step["tool"] in FAILING:
            expected.status[name] = "failed"
    if expected.status[name] == "succeeded" or step["on_failure"] == "value":
        expected.outputs[name] = output


def _call(
    step: dict[str, Any],
    x: JsonValue,
    item: JsonValue,
    index: int | None,
    expected: Expected,
    done: Collection[Call],
) -> JsonValue:
    name, tool = step["id"], step["tool"]
    key = call_key(name, item)
    expected.calls[name][index] = key
    if tool in FAILING:
        return {"error": {"code": "broken", "message": failure_of(name, item)}}
    if tool not in REPEATABLE:
        expected.effects[f"put:{key}" if tool == "put" else key] += 1
    return None if (name, index) in done else output_of(tool, name, x, item)


def needs(step: dict[str, Any]) -> set[str]:
    """The steps that `step` waits for."""
    found = {_referred(each) for each in step["args"]["x"]} | set(step.get("after", ()))
    if isinstance(step.get("for_each"), str):
        found.add(_referred(step["for_each"]))
    if "when" in step:
        found.add(_referred(step["when"]))
    return found


def _items(step: dict[str, Any], expected: Expected) -> list[Any]:
    items = step["for_each"]
    if isinstance(items, list):
        return items
    source: Any = expected.outputs[_referred(items)]
    return list(source["list"])


def _referred(text: str) -> str:
    """The step in `${step}`, `${step.list}` or `${step.n} >= 50`."""
    return text[2:].partition("}")[0].partition(".")[0]
