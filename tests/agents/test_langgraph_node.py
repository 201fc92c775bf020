"""A Runtime as a node of somebody else's graph."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from tests.agents.conftest import SUM, plan, runtime, step
from typing_extensions import TypedDict

from treadle.core.context_value import set_for
from treadle.core.errors import InputError, RunError
from treadle.core.taint import CallTaint, current_taint
from treadle.executor import ApprovalRequest


class Tasks(TypedDict, total=False):
    task: str
    answer: Any
    note: str


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Both(Chat, total=False):
    answer: Any


def graph(state: type, node: Any) -> Any:
    built: StateGraph[Any] = StateGraph(state)
    built.add_node("work", node)
    built.add_edge(START, "work")
    built.add_edge("work", END)
    return built.compile()


async def test_from_a_task_to_an_answer() -> None:
    async with runtime([SUM]) as rt:
        state = await graph(Tasks, rt.as_langgraph_node()).ainvoke({"task": "add", "note": "kept"})
    assert state == {"task": "add", "answer": "it is 5", "note": "kept"}


async def test_an_answer_keeps_its_type() -> None:
    async with runtime([plan(step("a", "add", a=1, b=2), answer={"sum": "${a}"})]) as rt:
        state = await graph(Tasks, rt.as_langgraph_node()).ainvoke({"task": "add"})
    assert state["answer"] == {"sum": 3}


@pytest.mark.parametrize("message", [HumanMessage("add"), ("user", "add")])
async def test_from_messages_to_a_message(message: Any) -> None:
    async with runtime([SUM]) as rt:
        state = await graph(Chat, rt.as_langgraph_node()).ainvoke({"messages": [message]})
    first, last = state["messages"]
    assert isinstance(first, HumanMessage)
    assert isinstance(last, AIMessage)
    assert last.content == "it is 5"


async def test_keys_of_your_own() -> None:
    class Mine(TypedDict, total=False):
        question: str
        reply: Any

    async with runtime([SUM]) as rt:
        node = rt.as_langgraph_node(task="question", answer="reply")
        assert (await graph(Mine, node).ainvoke({"question": "add"}))["reply"] == "it is 5"


@pytest.mark.parametrize("state", [{}, {"task": ""}, {"messages": []}, {"task": 5}])
async def test_a_state_without_a_task_says_so(state: Any) -> None:
    async with runtime([SUM]) as rt:
        with pytest.raises(InputError) as caught:
            await rt.as_langgraph_node()(state)
    assert caught.value.code == "no_task"


@pytest.mark.parametrize(
    ("tool_name", "args", "code"),
    [("boom", {}, "run_failed"), ("mail", {"to": "x"}, "run_waiting")],
)
async def test_a_run_without_an_answer_raises_inside_the_graph(
    tool_name: str, args: dict[str, Any], code: str
) -> None:
    replies = [plan(step("a", tool_name, **args)), {"action": "fail", "reason": "no"}]
    async with runtime(replies) as rt:
        with pytest.raises(RunError) as caught:
            await graph(Tasks, rt.as_langgraph_node()).ainvoke({"task": "x"})
    assert caught.value.code == code


async def test_two_nodes_of_one_runtime_in_one_graph() -> None:
    async with runtime([SUM, plan(step("a", "add", a=4, b=4), answer="${a}")]) as rt:
        built: StateGraph[Any] = StateGraph(Tasks)
        first: Any = rt.as_langgraph_node()
        second: Any = rt.as_langgraph_node(answer="note")
        built.add_node("first", first)
        built.add_node("second", second)
        built.add_edge(START, "first")
        built.add_edge("first", "second")
        built.add_edge("second", END)
        state = await built.compile().ainvoke({"task": "add"})
    assert (state["answer"], state["note"]) == ("it is 5", 8)


class Labelled(Tasks, total=False):
    labels: list[str]


MAIL = plan(step("m", "mail", to="me"), answer="${m}")
PAGE = ("fetch (step page)",)


@pytest.mark.parametrize("labels", [(), PAGE])
async def test_a_labelled_message_makes_a_labelled_run(labels: tuple[str, ...]) -> None:
    asked: list[ApprovalRequest] = []

    async def approve(request: ApprovalRequest) -> bool:
        asked.append(request)
        return True

    read = AIMessage("what a page says", additional_kwargs={"treadle_taint": list(labels)})
    async with runtime([MAIL], approve=approve) as rt:
        messages = [read, HumanMessage("mail it")]
        state = await graph(Chat, rt.as_langgraph_node()).ainvoke({"messages": messages})
    ((call,),) = [each.calls for each in asked]
    assert call.taint == labels
    said = state["messages"][-1]
    assert said.content == "sent to me"
    assert said.additional_kwargs.get("treadle_taint", []) == list(labels)


async def test_a_state_carries_labels_where_its_key_is_named() -> None:
    async with runtime([SUM]) as rt:
        node = rt.as_langgraph_node(taint="labels")
        state = await graph(Labelled, node).ainvoke({"task": "add", "labels": list(PAGE)})
    assert state["labels"] == list(PAGE)


async def test_a_run_in_a_graph_within_a_call_labels_that_call() -> None:
    around = CallTaint(frozenset(PAGE))
    async with runtime([SUM]) as rt:
        node = rt.as_langgraph_node()
        with set_for(current_taint, around):
            await node({"task": "add"})
    assert around.gathered == frozenset(PAGE)
