"""Labels through a memory that a user's own tools call: they stay with what was kept and found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from treadle import Plan, Runtime, Tool, tool
from treadle.core.events import ApprovalRequested
from treadle.core.taint import CallTaint, current_taint
from treadle.memory import Memory
from treadle.testing import ScriptedModel

PAGE = "The harbour at Brest closes at nine in the evening."


@tool(effect="read", untrusted=True)
async def fetch() -> str:
    """Text of a page that anybody may have written."""
    return PAGE


Way = tuple[Callable[[Memory, str], Awaitable[Any]], Callable[[Memory], Awaitable[str]]]


async def _recalled(memory: Memory) -> str:
    return (await memory.recall("When does the harbour at Brest close?")).hits[0].text


async def _said(memory: Memory) -> str:
    [episode] = await memory.episodes.of_thread("harbour")
    return episode.text


async def _fact(memory: Memory) -> str:
    [fact] = await memory.facts.facts("Brest")
    return fact.object


async def _artifact(memory: Memory) -> str:
    return (await memory.artifacts.read("harbour.md")).text


async def _concept(memory: Memory) -> str:
    [found] = await memory.concepts.find("harbour hours")
    return found.concept.body


async def _steps(memory: Memory) -> str:
    [step] = await memory.instructions.all("harbour")
    return step.text


WAYS: dict[str, Way] = {
    "episodes": (lambda memory, text: memory.remember(text, thread="harbour"), _said),
    "recall": (lambda memory, text: memory.remember(text), _recalled),
    "facts": (lambda memory, text: memory.facts.tell("Brest", "closes", text), _fact),
    "artifacts": (lambda memory, text: memory.artifacts.write("harbour.md", text), _artifact),
    "concepts": (lambda memory, text: memory.concepts.learn("harbour hours", text), _concept),
    "instructions": (lambda memory, text: memory.instructions.add("harbour", [text]), _steps),
}


def tools_on(memory: Memory, way: Way, sent: list[str]) -> list[Tool]:
    keep, find = way

    @tool(effect="read")
    async def note(text: str) -> str:
        """Keep a text; to the runtime it is a tool like any other."""
        await keep(memory, text)
        return "noted"

    @tool(effect="read")
    async def look() -> str:
        """What was noted."""
        return await find(memory)

    async def call_back(result: str, text: str) -> None:
        sent.remove(text)

    # It can be undone: nobody is asked about it, but for labels.
    @tool(effect="write", undo=call_back)
    async def send(text: str) -> str:
        """It goes into a file that others read."""
        sent.append(text)
        return "sent"

    return [fetch, note, look, send]


NOTING = Plan.from_wire(
    {
        "steps": [
            {"id": "page", "tool": "fetch", "args": {}},
            {"id": "note", "tool": "note", "args": {"text": "${page}"}},
        ],
        "answer": "${note}",
    }
)
SENDING = Plan.from_wire(
    {
        "steps": [
            {"id": "look", "tool": "look", "args": {}},
            {"id": "send", "tool": "send", "args": {"text": "${look}"}},
        ],
        "answer": "done",
    }
)


@pytest.mark.parametrize("way", WAYS)
async def test_what_came_from_outside_stays_labelled_in_memory(way: str, tmp_path: Any) -> None:
    sent: list[str] = []
    async with Memory(f"sqlite:///{tmp_path}/memory.db") as memory:
        runtime = Runtime(
            model=ScriptedModel([]), tools=tools_on(memory, WAYS[way], sent), builtins=False
        )
        async with runtime:
            kept = await runtime.run(NOTING)
            assert kept.status == "succeeded"
            # Another run, which has never seen the page: the label comes from memory alone.
            result = await runtime.run(SENDING)
    assert not sent
    assert result.status == "waiting"
    [asked] = [each for each in result.events if isinstance(each, ApprovalRequested)]
    assert asked.step_ids == ("send",)
    assert asked.reasons is not None
    assert "fetch" in asked.reasons["send"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_clean_stays_clean(way: str, tmp_path: Any) -> None:
    sent: list[str] = []
    async with Memory(f"sqlite:///{tmp_path}/memory.db") as memory:
        await WAYS[way][0](memory, PAGE)
        runtime = Runtime(
            model=ScriptedModel([]),
            tools=tools_on(memory, WAYS[way], sent),
            builtins=False,
        )
        async with runtime:
            result = await runtime.run(SENDING)
    assert result.status == "succeeded"
    assert sent == [PAGE]


async def test_outside_of_calls_nothing_is_added(tmp_path: Any) -> None:
    async with Memory(f"sqlite:///{tmp_path}/memory.db") as memory:
        kept = await memory.remember(PAGE)
        assert kept.episode.taint == frozenset()


async def test_calls_side_by_side_keep_their_labels_apart(tmp_path: Any) -> None:
    async with Memory(f"sqlite:///{tmp_path}/memory.db") as memory:

        async def within(label: str) -> frozenset[str]:
            current_taint.set(CallTaint(frozenset([label])))
            kept = await memory.remember(f"{label} says that the tide is at {label}.")
            return kept.episode.taint

        found = await asyncio.gather(*map(within, ("one", "two", "three")))
    assert found == [frozenset(["one"]), frozenset(["two"]), frozenset(["three"])]
