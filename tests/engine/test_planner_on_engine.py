"""The planner and agents against a model that writes noise, held to the schema by the engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product

import pytest
from tests.engine.server import KEY, MODEL, EngineServer

from treadle import tool
from treadle.agents.agent_calls import AgentCalls
from treadle.core.chat import ChatDelta, ChatRequest, ToolCall
from treadle.core.clock import SystemClock
from treadle.core.errors import PlanError
from treadle.executor.calling import ToolCaller
from treadle.planner import Plan
from treadle.planner.llm_planner import LLMPlanner
from treadle.planner.prompt import Prompts
from treadle.serving import OpenAIModel
from treadle.tools import ToolRegistry

TEMPERATURES = (0.0, 0.3, 0.7, 1.0, 1.5, 2.0)
LIMITS = (1, 20, 150, 600)
"""Tokens a reply may have; the model by itself hardly ever comes to an end."""

_AT_ONCE = 8
_ROUNDS = 6
"""Noise that comes to a plan is a matter of chance: mostly in the first round."""


@tool(effect="pure")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def look(topic: str) -> str:
    """Look a topic up."""
    return topic


TOOLS = ToolRegistry([add, look])


class Limited:
    """A model whose replies are cut after so many tokens."""

    structured_output = True

    def __init__(self, model: OpenAIModel, temperature: float, max_tokens: int) -> None:
        self.name = model.name
        self._model = model
        self._temperature = temperature
        self._max_tokens = max_tokens

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        return self._model.stream(
            replace(request, temperature=self._temperature, max_tokens=self._max_tokens)
        )

    async def aclose(self) -> None:
        """The model is closed by who made it."""


async def test_every_reply_is_a_plan_or_a_coded_error(engine_server: EngineServer) -> None:
    model = OpenAIModel(
        "vllm:tiny", model=MODEL, base_url=f"{engine_server.url}/v1", api_key=KEY, backend="vllm"
    )
    gate = asyncio.Semaphore(_AT_ONCE)

    async def outcome(number: int, temperature: float, limit: int) -> str:
        planner = LLMPlanner(Limited(model, temperature, limit), Prompts())
        async with gate:
            try:
                parts = [each async for each in planner.stream(f"task {number}", TOOLS)]
            except PlanError as error:
                return error.code
        assert isinstance(parts[-1], Plan)
        assert Plan.from_json(parts[-1].to_json()) == parts[-1]
        return "plan"

    outcomes: list[str] = []
    try:
        for _ in range(_ROUNDS):
            async with asyncio.TaskGroup() as group:
                running = [
                    group.create_task(outcome(number, temperature, limit))
                    for number, (limit, temperature) in enumerate(product(LIMITS, TEMPERATURES))
                ]
            outcomes += [each.result() for each in running]
            if {"plan", "plan_truncated"} <= set(outcomes):
                break
    finally:
        await model.aclose()
    assert len(outcomes) >= len(LIMITS) * len(TEMPERATURES) >= 20
    assert {"plan", "plan_truncated"} <= set(outcomes), outcomes
    # The engine took the schema; nothing fell back to asking for it in words.
    assert model.structured_output
    assert model.refused_fields == frozenset()


@pytest.mark.parametrize("limit", [2, 60, 120, 600])
async def test_arguments_that_do_not_fit_are_an_answer_for_the_model(
    engine_server: EngineServer, limit: int
) -> None:
    """A named tool choice promises a call, and no arguments that are whole or fit."""
    wanted = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Look something up."}],
        "max_tokens": limit,
        "temperature": 1.0,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look",
                    "description": "Look a topic up.",
                    "parameters": dict(look.parameters),
                },
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
    }
    with engine_server.client() as client:
        reply = client.post("/v1/chat/completions", json=wanted)
    assert reply.status_code == 200, reply.text
    calls = reply.json()["choices"][0]["message"].get("tool_calls") or []
    asked = [
        ToolCall(each["id"], each["function"]["name"], each["function"]["arguments"])
        for each in calls
    ]
    answers = await AgentCalls(TOOLS, ToolCaller(SystemClock()), None).make(asked)
    assert [each.role for each in answers] == ["tool"] * len(asked)
    for call, answer in zip(asked, answers, strict=True):
        assert answer.content == expected(call) or answer.content.startswith(
            "error: invalid_arguments: "
        )


def expected(call: ToolCall) -> str | None:
    """What `look` answers; None where the arguments are none for it."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return None
    fits = isinstance(arguments, dict) and arguments.keys() == {"topic"}
    return arguments["topic"] if fits and isinstance(arguments["topic"], str) else None
