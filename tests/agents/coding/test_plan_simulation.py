"""Plans that are carried out by hand before there is code."""

from __future__ import annotations

from treadle.agents.coding.case import Call, Case
from treadle.agents.coding.model_use import ModelUse
from treadle.agents.coding.plan_simulation import MOST_REVISIONS, simulated_plan
from treadle.core.chat import ChatRequest
from treadle.testing import ScriptedModel

EXAMPLES = (Case(Call("f", (1,)), 2), Case(Call("f", (-1,)), error="ValueError"))


async def test_a_plan_that_is_right_is_kept() -> None:
    model = ScriptedModel(
        ["1. add one", {"steps": ["1 + 1"], "result": 2.0}, {"steps": [], "error": "ValueError"}]
    )
    plan = await simulated_plan(ModelUse(model), "one more", EXAMPLES)
    assert (plan.text, plan.agreed, plan.examples, plan.revisions) == ("1. add one", 2, 2, 0)


async def test_a_plan_that_comes_to_something_else_is_revised_with_what_happened() -> None:
    model = ScriptedModel(
        ["1. add two", {"steps": ["1 + 2 is 3"], "result": 3}, {"steps": [], "error": "ValueError"},
         "1. add one", {"steps": [], "result": 2}, {"steps": [], "error": "ValueError"}]
    )  # fmt: skip
    plan = await simulated_plan(ModelUse(model), "one more", EXAMPLES)
    assert (plan.text, plan.agreed, plan.revisions) == ("1. add one", 2, 1)
    revision = model.requests[3].messages[-1].content
    assert "f(1), it comes to 3, but it returns 2" in revision
    assert "1 + 2 is 3" in revision


async def test_a_model_that_only_says_that_it_agrees_does_not_agree() -> None:
    def reply(request: ChatRequest) -> object:
        if request.response_schema is None:
            return "a plan"
        return {"steps": ["it agrees"], "result": "correct", "agrees": True}

    model = ScriptedModel(reply)  # type: ignore[arg-type]
    plan = await simulated_plan(ModelUse(model), "one more", EXAMPLES)
    assert (plan.agreed, plan.revisions) == (0, MOST_REVISIONS)


async def test_a_simulation_that_is_no_answer_counts_as_one_that_disagrees() -> None:
    model = ScriptedModel(lambda request: "words and words")
    plan = await simulated_plan(ModelUse(model), "one more", EXAMPLES[:1])
    assert (plan.agreed, plan.revisions) == (0, MOST_REVISIONS)


async def test_without_examples_a_plan_is_only_made() -> None:
    model = ScriptedModel(["the plan"])
    plan = await simulated_plan(ModelUse(model), "one more", ())
    assert (plan.text, plan.examples) == ("the plan", 0)
