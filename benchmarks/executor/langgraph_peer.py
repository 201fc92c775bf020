"""LangGraph: a StateGraph with one node per step, and its functional API."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from benchmarks.executor.shapes import Dag
from benchmarks.executor.side import NotAvailable, Run, step
from langchain_core.runnables import RunnableConfig
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class Done(TypedDict):
    """The state: how many steps have run."""

    done: Annotated[int, operator.add]


def _graph(dag: Dag) -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(Done)
    followed: set[int] = set()

    def node(seconds: float) -> Any:
        async def work(state: Done) -> dict[str, int]:
            await step(seconds)
            return {"done": 1}

        return work

    for number, needs in enumerate(dag.needs):
        graph.add_node(f"s{number}", node(dag.seconds[number]))
        if not needs:
            graph.add_edge(START, f"s{number}")
        elif len(needs) == 1:
            graph.add_edge(f"s{needs[0]}", f"s{number}")
        else:
            graph.add_edge([f"s{need}" for need in needs], f"s{number}")
        followed.update(needs)
    for number in set(range(len(dag))) - followed:
        graph.add_edge(f"s{number}", END)
    return graph


def _functional(dag: Dag) -> Any:
    @task
    async def work(seconds: float) -> int:
        await step(seconds)
        return 1

    @entrypoint()
    async def flow(_: int) -> int:
        done = 0
        for level in dag.levels:
            done += sum(await asyncio.gather(*(work(dag.seconds[number]) for number in level)))
        return done

    return flow


@asynccontextmanager
async def ready(variant: str, dag: Dag, folder: Path, width: int | None) -> AsyncIterator[Run]:
    """memory: no checkpointer. sqlite: its SQLite checkpointer. functional: tasks, no checkpoint.

    The functional API has no graph: its flow awaits the steps level by level.
    """
    threads = count()

    def options() -> RunnableConfig:
        chosen: RunnableConfig = {
            "recursion_limit": len(dag.levels) + 10,
            "configurable": {"thread_id": f"thread-{next(threads)}"},
        }
        if width is not None:
            chosen["max_concurrency"] = width
        return chosen

    if variant == "functional":
        flow = _functional(dag)
        yield lambda: flow.ainvoke(0, options())
    elif variant == "memory":
        compiled = _graph(dag).compile()
        yield lambda: compiled.ainvoke({"done": 0}, options())
    elif variant == "sqlite":
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
            await saver.setup()
            checkpointed = _graph(dag).compile(checkpointer=saver)
            yield lambda: checkpointed.ainvoke({"done": 0}, options())
    else:
        raise NotAvailable(f"LangGraph has no variant '{variant}' here")
