"""Memory as tools."""

from pathlib import Path
from typing import Any

import pytest

from treadle import Runtime
from treadle.agents.memory_tools import NOTHING, memory_tools
from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.core.taint import CallTaint, current_taint
from treadle.memory import Memory
from treadle.tools import Effect, Tool


@pytest.fixture
async def memory(tmp_path: Path) -> Any:
    memory = Memory(f"sqlite:///{tmp_path / 'memory.db'}")
    yield memory
    await memory.aclose()


async def called(tool: Tool, **arguments: JsonValue) -> dict[str, JsonValue]:
    """What a call gives: an object."""
    given = await tool.call(arguments)
    assert isinstance(given, dict)
    return given


def tools_of(memory: Memory) -> dict[str, Tool]:
    return {each.name: each for each in memory_tools(lambda: memory)}


def test_their_effects_say_what_asks(memory: Memory) -> None:
    tools = tools_of(memory)
    assert {name: tool.effect for name, tool in tools.items()} == {
        "remember": Effect.WRITE,
        "recall": Effect.READ,
        "recall_about": Effect.READ,
        "forget": Effect.IRREVERSIBLE,
    }
    assert tools["remember"].undo is not None
    assert "forget" not in {each.name for each in memory_tools(lambda: memory, forgets=False)}


async def test_what_is_remembered_is_recalled_with_its_labels(memory: Memory) -> None:
    tools = tools_of(memory)
    token = current_taint.set(CallTaint(frozenset({"fetch_url (step page)"})))
    try:
        kept = await called(tools["remember"], text="my dog is called Rex")
    finally:
        current_taint.reset(token)
    assert kept["outcome"] == "new"
    await memory.remember("what is my dog called?")
    around = CallTaint()
    token = current_taint.set(around)
    try:
        found = await called(tools["recall"], query="what is my dog called")
    finally:
        current_taint.reset(token)
    assert "my dog is called Rex" in str(found["text"])
    assert "what is my dog" not in str(found["text"])
    assert around.gathered == {"fetch_url (step page)"}
    about = await called(tools["recall_about"], subject="me")
    assert "user's dog is called Rex" in str(about["text"])


async def test_nothing_is_said_plainly_and_errors_keep_their_codes(memory: Memory) -> None:
    tools = tools_of(memory)
    assert (await called(tools["recall"], query="chromodynamics"))["text"] == NOTHING
    with pytest.raises(ToolError) as caught:
        await tools["remember"].call({"text": "  "})
    assert caught.value.code == "empty_text"


async def test_forgetting_says_no_name(memory: Memory) -> None:
    tools = tools_of(memory)
    await memory.remember("Rex barks at night")
    gone = await called(tools["forget"], subject="Rex")
    assert gone["proved"] is True
    assert "Rex" not in str(gone)
    assert (await called(tools["recall"], query="who barks at night"))["found"] == 0


async def test_a_runtime_with_a_memory_has_its_tools(memory: Memory, tmp_path: Path) -> None:
    async with Runtime(model="offline", memory=memory, workspace=tmp_path) as runtime:
        await runtime.run("remember that my dog is called Rex")
        told = await runtime.run("what is my dog called?")
    assert "my dog is called Rex" in str(told.answer)


async def test_tools_that_were_given_stand_before_those_of_memory(
    memory: Memory, tmp_path: Path
) -> None:
    given = memory_tools(lambda: memory, forgets=False)
    runtime = Runtime(model="offline", memory=memory, tools=given, workspace=tmp_path)
    assert all(runtime.tools[each.name] is each for each in given)
    assert "forget" in runtime.tools
    bare = Runtime(model="offline", memory=memory, builtins=False, workspace=tmp_path)
    assert list(bare.tools) == []
    await runtime.aclose()
    await bare.aclose()
