"""Secrets come by handle, and their values are nowhere but in the call."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets as random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.conftest import plan, runtime, step

from treadle import Agent, Plan, tool
from treadle.core.chat import ToolCall
from treadle.core.errors import ConfigError, ToolError
from treadle.core.secrets import EnvironmentSecrets, KeptSecrets, redacted, redacted_text, remember
from treadle.testing import ScriptedModel
from treadle.tools import Secret, Tool
from treadle.tools.builtin.ask_model import model_tools


@pytest.fixture
def value() -> str:
    """Another one for each test: what was resolved once is recognised for good."""
    return f'gh"p_{random.token_hex(8)}/ü+='


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Handler()
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def careless(seen: list[str]) -> list[Tool]:
    """Tools that hand out what they were given to use."""

    @tool(scopes=["TOKEN"])
    async def echo() -> dict[str, Any]:
        """Give the secret away."""
        token = Secret("TOKEN").reveal()
        seen.append(token)
        logging.getLogger("somebody").warning("calling with %s", token)
        return {
            "text": f"Bearer {token}",
            token: [token],
            "b": base64.b64encode(token.encode()).decode(),
        }

    @tool(scopes=["TOKEN"])
    def crash() -> None:
        """Fail with the secret."""
        raise ValueError(f"401 for {Secret('TOKEN').reveal()}")

    @tool
    async def steal() -> str:
        """Ask for what was not granted."""
        return Secret("TOKEN").reveal()

    @tool(effect="pure")
    async def repeat(text: str) -> str:
        """Say it again."""
        return text

    return [echo, crash, steal, repeat]


async def test_a_value_is_in_no_event_no_journal_no_prompt_no_log(
    value: str, log: list[str], tmp_path: Path
) -> None:
    seen: list[str] = []
    model = ScriptedModel(
        by_purpose={
            "step": ["noted"],
            "agent": [
                (ToolCall("1", "echo", "{}"), ToolCall("2", "crash", "{}")),
                "The token is: " + value,
            ],
        }
    )
    agent = Agent("worker", "Work.", model=model, tools=careless(seen))
    tools = [*careless(seen), *model_tools(model), agent]
    document = plan(
        step("e", "echo"),
        {**step("c", "crash"), "on_failure": "value"},
        {**step("s", "steal"), "on_failure": "value"},
        step("m", "ask_model", prompt="Note: ${e} ${c}"),
        step("w", "worker", task="${e.text}"),
        step("r", "repeat", text="${e.text}"),
        answer="${e} ${c} ${s}",
    )
    database = tmp_path / "runs.db"
    async with runtime(
        [], model=model, tools=tools, secrets=KeptSecrets({"TOKEN": value}),
        database=f"sqlite:///{database}", artifacts=tmp_path / "artifacts",
    ) as opened:  # fmt: skip
        result = await opened.run(Plan.from_wire(document))
    assert seen == [value, value]
    assert result.status == "succeeded", result.error
    everywhere = [
        repr(result.events), repr(result), str(result.as_json()), repr(model.requests), *log,
        *(each.read_bytes().decode("utf-8", "replace") for each in tmp_path.rglob("*") if each.is_file()),
    ]  # fmt: skip
    assert any("[secret TOKEN]" in each for each in everywhere)
    forms = {
        value, repr(value)[1:-1], base64.b64encode(value.encode()).decode(), value.replace('"', '\\"'),
        value.partition('"')[2][:20],
    }  # fmt: skip
    for text in everywhere:
        for form in forms:
            assert form not in text
    errors = {each.id: each.error for each in result.steps if each.error is not None}
    assert errors["c"].code == "tool_failed"
    assert errors["s"].code == "secret_not_granted"


async def test_the_environment_is_where_they_are_by_default(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", value)
    found: list[str] = []

    @tool(
        scopes="MY_TOKEN",
        effect="write",
        undo=lambda result: found.append(Secret("MY_TOKEN").reveal()),
    )
    def use() -> int:
        """Use it."""
        found.append(Secret("MY_TOKEN").reveal())
        return 1

    assert await use.call({}) == 1
    await use.compensate(1, {})
    assert found == [value, value]
    monkeypatch.delenv("MY_TOKEN")
    with pytest.raises(ToolError) as raised:
        await use.call({})
    assert raised.value.code == "secret_missing"
    assert EnvironmentSecrets("MY_").get("TOKEN") is None


async def test_what_a_tool_may_see_it_sees_in_its_call_alone(value: str) -> None:
    with pytest.raises(ToolError) as raised:
        Secret("TOKEN").reveal()
    assert raised.value.code == "secret_not_granted"

    @tool(scopes=["TOKEN"])
    async def outer() -> str:
        """Call another tool inside."""
        return str(await inner.call({}))

    @tool(scopes=["OTHER"])
    async def inner() -> str:
        """Have other scopes."""
        return Secret("TOKEN").reveal()

    with pytest.raises(ToolError) as raised:
        await outer.call({})
    assert raised.value.code == "secret_not_granted"


async def test_errors_carry_no_cause_that_tells(value: str) -> None:
    [_, crash, *_] = careless([])
    async with runtime([], tools=[crash], secrets=KeptSecrets({"TOKEN": value})):
        pass

    @tool(scopes=["K"])
    async def fail() -> None:
        """Fail."""
        raise ToolError("mine", f"no {value}") from ValueError(value)

    remember("K", value)
    with pytest.raises(ToolError) as raised:
        await fail.call({})
    assert raised.value.code == "mine"
    assert value not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


async def test_concurrent_calls_have_their_own(value: str) -> None:
    @tool(scopes=["A"])
    async def first() -> bool:
        """See A."""
        await asyncio.sleep(0)
        return Secret("A").reveal() == value + "a"

    @tool(scopes=["B"])
    async def second() -> bool:
        """See B."""
        await asyncio.sleep(0)
        return Secret("B").reveal() == value + "b"

    kept = KeptSecrets({"A": value + "a", "B": value + "b"})
    document = plan(*(step(f"s{n}", ("first", "second")[n % 2]) for n in range(10)))
    async with runtime([], tools=[first, second], secrets=kept) as opened:
        result = await opened.run(Plan.from_wire(document))
    assert [each.output for each in result.steps] == [True] * 10
    assert value not in repr(kept)


def test_what_is_too_short_is_no_text_to_look_for() -> None:
    remember("SHORT", "abc")
    assert redacted("abcdef") == "abcdef"
    assert redacted_text("abc") == "abc"


@pytest.mark.parametrize("name", ["", "has space", "ghp_abc/def", 3])
def test_a_handle_is_a_name(name: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        Secret(name)
    assert raised.value.code == "bad_secret"
    assert str(name) not in raised.value.message or name in ("", 3)


async def test_a_tool_within_a_call_has_none_of_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TREADLE_OUTER_KEY", "a value of the outer call")

    @tool
    async def inner() -> str:
        """Names no secret."""
        return Secret("TREADLE_OUTER_KEY").reveal()

    @tool(scopes=["TREADLE_OUTER_KEY"])
    async def outer() -> str:
        """Has a secret, and calls another tool."""
        return str(await inner.call({}))

    with pytest.raises(ToolError) as refused:
        await outer.call({})
    assert refused.value.code == "secret_not_granted"
