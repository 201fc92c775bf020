"""Which tools a planner shows, where there are many."""

import json

from treadle import tool
from treadle.core.chat import Message
from treadle.planner import Plan
from treadle.planner.joiner import Answer, Joiner
from treadle.planner.llm_planner import LLMPlanner
from treadle.planner.prompt import Prompts
from treadle.planner.shown_tools import PastPlan, ShownTools
from treadle.testing import ScriptedModel
from treadle.tools import Tool, ToolRegistry


def named(name: str, description: str) -> Tool:
    @tool(name=name, description=description, effect="pure")
    def one(text: str) -> str:
        return text

    return one


MANY = ToolRegistry(
    [
        *(named(f"filler_{i}", f"Filler number {i}.") for i in range(100)),
        named("weather_forecast", "The weather of the next days in a city."),
        named("send_letter", "Posts a letter on paper."),
    ]
)


def test_few_tools_are_all_shown() -> None:
    few = ToolRegistry([MANY["send_letter"], MANY["filler_1"]])
    assert ShownTools(2).of(few, ["what will the weather be?"]) is few


def test_of_many_tools_those_that_fit_are_shown_and_the_rest_is_filled_up() -> None:
    shown = ShownTools(5).of(MANY, ["What will the weather be in Rome?"])
    assert "weather_forecast" in shown
    assert "send_letter" not in shown
    assert len(shown) == 5


def test_other_tools_are_indexed_anew() -> None:
    shown = ShownTools(1)
    assert list(shown.of(MANY, ["weather"])) == ["weather_forecast"]
    other = ToolRegistry([MANY["send_letter"], MANY["filler_1"]])
    assert list(shown.of(other, ["post a letter"])) == ["send_letter"]


async def test_the_planner_shows_some_and_takes_every_tool() -> None:
    step = {"id": "a", "tool": "send_letter", "args": {"text": "dear"}}
    model = ScriptedModel([{"steps": [step], "answer": "${a}"}])
    planner = LLMPlanner(model, Prompts(), most_tools=3)
    history = (Message("user", "How do I post letters?"), Message("assistant", "..."))
    parts = [part async for part in planner.stream("And the weather?", MANY, history)]
    assert isinstance(parts[-1], Plan)
    prompt = model.requests[0].messages[0].content
    assert "weather_forecast" in prompt
    assert '"send_letter"' in prompt  # of the earlier question
    assert "filler_77" not in prompt
    assert "filler_77" not in str(model.requests[0].response_schema)


def test_tools_of_the_plan_under_way_are_shown_in_any_case() -> None:
    shown = ShownTools(2).of(MANY, ["weather"], always=["filler_42", "no_longer_there"])
    assert next(iter(shown)) == "filler_42"
    assert "weather_forecast" in shown


async def test_the_joiner_shows_what_the_planner_would_and_the_plans_own() -> None:
    steps = [{"id": "a", "tool": "filler_42", "args": {"text": "x"}}]
    plan = Plan.from_json(json.dumps({"steps": steps, "answer": "${a}"}))
    model = ScriptedModel([{"action": "answer", "answer": "sunny"}])
    joiner = Joiner(model, Prompts(), most_tools=2)
    decided = await joiner.decide("the weather?", plan, [], MANY, started=["a"], remaining=1)
    assert decided == Answer("sunny")
    prompt = model.requests[0].messages[0].content
    assert "weather_forecast" in prompt
    assert "filler_42" in prompt
    assert "filler_77" not in prompt


def test_what_past_plans_used_together_is_found_together() -> None:
    shown = ShownTools(2)
    assert "send_letter" not in shown.of(MANY, ["weather"])
    shown.learn([PastPlan(("weather_forecast", "send_letter"))] * 3, MANY)
    assert list(shown.of(MANY, ["weather"])) == ["weather_forecast", "send_letter"]
    others = ToolRegistry([*MANY.values(), named("one_more", "One more filler.")])
    assert "send_letter" in shown.of(others, ["weather"])  # also when the tools have changed


def test_each_step_of_a_sketched_plan_has_its_say() -> None:
    texts = ["What will the weather be in Rome?"]
    assert "send_letter" not in ShownTools(2).of(MANY, texts)
    shown = ShownTools(2).of(MANY, texts, steps=["weather in Rome", "post a letter on paper"])
    assert list(shown) == ["weather_forecast", "send_letter"]


async def test_the_joiner_shows_tools_for_the_steps_that_are_left_to_do() -> None:
    steps = [
        {"id": "a", "tool": "filler_42", "args": {"text": "x"}},
        {"id": "b", "tool": "filler_43", "args": {"text": "x"}, "note": "posts a letter on paper"},
    ]
    plan = Plan.from_json(json.dumps({"steps": steps, "answer": "${b}"}))
    model = ScriptedModel([{"action": "answer", "answer": "posted"}] * 2)
    joiner = Joiner(model, Prompts(), most_tools=3)
    for remaining in (1, 0):
        await joiner.decide("the weather?", plan, [], MANY, started=["a"], remaining=remaining)
    replanning, ending = (each.messages[0].content for each in model.requests)
    assert '"send_letter"' in replanning
    assert '"weather_forecast"' in replanning
    assert '"send_letter"' not in ending
