"""Real graphs on the checkpointer and the store: interrupts, other processes, earlier states."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Command, Send, interrupt
from tests.agents.conftest import SUM, plan, runtime
from tests.memory.langgraph.conftest import SECONDS
from typing_extensions import TypedDict

from treadle.agents import ChatSession
from treadle.core.chat import Message
from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore
from treadle.testing import ScriptedModel

GRAPH = """
import operator, sys
from dataclasses import dataclass
from typing import Annotated
from typing_extensions import TypedDict
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore

@dataclass
class Order:
    item: str

class State(TypedDict):
    log: Annotated[list, operator.add]
    order: Order

def first(state):
    return {"log": ["first"], "order": Order("tea")}

def ask(state, *, store):
    answer = interrupt({"sure": state["order"].item})
    store.put(("answers",), "last", {"said": answer})
    return {"log": [answer]}

def build(url):
    graph = StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("ask", ask)
    graph.add_edge(START, "first")
    graph.add_edge("first", "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=TreadleCheckpointer(url), store=TreadleStore(url))
"""
ASK = (
    GRAPH
    + """
out = build(sys.argv[1]).invoke({"log": []}, {"configurable": {"thread_id": "t"}})
print(out["__interrupt__"][0].value)
"""
)
ANSWER = (
    GRAPH
    + """
graph = build(sys.argv[1])
config = {"configurable": {"thread_id": "t"}}
print(graph.get_state(config).next)
print(graph.invoke(Command(resume="yes"), config))
print(graph.store.get(("answers",), "last").value)
earlier = [each for each in graph.get_state_history(config) if each.next == ("ask",)][-1]
print(graph.invoke(None, earlier.config)["__interrupt__"][0].value)
print(graph.invoke(Command(resume="no"), config)["log"])
print(len(list(graph.get_state_history(config))) > 4)
"""
)


def run(script: str, url: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.timeout(200)
def test_a_graph_goes_on_in_another_process(database_url: str) -> None:
    assert run(ASK, database_url) == ["{'sure': 'tea'}"]
    assert run(ANSWER, database_url) == [
        "('ask',)",
        "{'log': ['first', 'yes'], 'order': Order(item='tea')}",
        "{'said': 'yes'}",
        "{'sure': 'tea'}",
        "['first', 'no']",
        "True",
    ]


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def fanned() -> StateGraph[State]:
    """A graph that sends, asks twice in one step, and has a graph within it."""

    def part(state: Any) -> dict[str, Any]:
        return {"log": [f"part {state['n']}"]}

    def ask(state: State) -> dict[str, Any]:
        return {"log": [f"one {interrupt('one')}", f"two {interrupt('two')}"]}

    inner: StateGraph[State] = StateGraph(State)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    graph: StateGraph[State] = StateGraph(State)
    graph.add_node("part", part)
    graph.add_node("inner", inner.compile())
    graph.add_conditional_edges(START, lambda _: [Send("part", {"n": n}) for n in range(3)])
    graph.add_edge("part", "inner")
    graph.add_edge("inner", END)
    return graph


def outcome(saver: Any) -> list[Any]:
    graph = fanned().compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    steps: list[Any] = [graph.invoke({"log": []}, config)]
    steps.append(graph.invoke(Command(resume="1"), config))
    steps.append(graph.invoke(Command(resume="2"), config))
    graph.update_state(config, {"log": ["mended"]})
    steps.append(graph.get_state(config, subgraphs=True).values)
    history = list(graph.get_state_history(config))
    steps.append([(each.values, each.next) for each in history])
    steps.append(graph.invoke(Command(resume="again"), history[-2].config)["log"])
    return [str(each).partition("id='")[0] if "Interrupt" in str(each) else each for each in steps]


def test_it_does_what_langgraphs_own_does(saver: TreadleCheckpointer) -> None:
    assert outcome(saver) == outcome(InMemorySaver())


async def test_the_same_async(saver: TreadleCheckpointer) -> None:
    graph = fanned().compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "a"}}
    async with asyncio.timeout(SECONDS):
        await graph.ainvoke({"log": []}, config)
        await graph.ainvoke(Command(resume="1"), config)
        final = await graph.ainvoke(Command(resume="2"), config)
    assert final["log"][-2:] == ["one 1", "two 2"]
    history = [each async for each in graph.aget_state_history(config)]
    assert history[0].values == final


def appended(old: Any, writes: Sequence[Any]) -> Any:
    return [*old, *(each for write in writes for each in write)]


def say(state: Any) -> dict[str, list[str]]:
    return {"log": [f"said {len(state['log'])}"]}


class Growing(TypedDict):
    log: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=4)]


def growing(saver: Any) -> Any:
    graph: StateGraph[Growing] = StateGraph(Growing)
    graph.add_node("say", say)
    graph.add_edge(START, "say")
    graph.add_edge("say", END)
    return graph.compile(checkpointer=saver)


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_channels_of_differences_survive_pruning(saver: TreadleCheckpointer) -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    ours, theirs = growing(saver), growing(InMemorySaver())
    expected: Any = None
    for turn in range(7):
        for graph in (ours, theirs):
            graph.invoke({"log": [f"asked {turn}"]}, config)
        expected = theirs.get_state(config).values
        assert ours.get_state(config).values == expected
        saver.prune(["t"])
        assert ours.get_state(config).values == expected
    assert len(list(saver.list(config))) <= 8 < len(list(theirs.checkpointer.list(config)))
    saver.copy_thread("t", "copy")
    saver.delete_thread("t")
    copied: Any = {"configurable": {"thread_id": "copy"}}
    assert ours.get_state(copied).values == expected
    assert len(expected["log"]) == 14


async def test_a_store_is_handed_to_nodes(items: TreadleStore) -> None:
    async def node(state: State, *, store: BaseStore) -> dict[str, Any]:
        await store.aput(("notes",), "n", {"log": state["log"]})
        return {"log": [each.key for each in await store.asearch(("notes",))]}

    graph: StateGraph[State] = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    final = await graph.compile(store=items).ainvoke({"log": ["a"]})
    assert final["log"] == ["a", "n"]


async def test_a_conversation_survives_a_restart(database_url: str) -> None:
    async def turn(stream: Any) -> Any:
        async with asyncio.timeout(SECONDS), stream as running:
            async for _ in running:
                pass
        return running.result

    async with TreadleCheckpointer(database_url) as saver, runtime([SUM]) as opened:
        session = ChatSession(opened, checkpointer=saver, thread_id="mine")
        await turn(session.stream("add them"))
    model = ScriptedModel([plan(answer="as I said")])
    async with TreadleCheckpointer(database_url) as saver, runtime([], model=model) as opened:
        session = ChatSession(opened, checkpointer=saver, thread_id="mine")
        assert await session.load() == (
            Message("user", "add them"),
            Message("assistant", "it is 5"),
        )
        await turn(session.stream("again?"))
        assert "it is 5" in "\n".join(each.content for each in model.requests[0].messages)
        await session.reset()
        assert await saver.aget_tuple({"configurable": {"thread_id": "mine"}}) is None
