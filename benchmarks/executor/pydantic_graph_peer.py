"""pydantic-graph: a chain of nodes, or one node mapped over the steps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.executor.shapes import Dag
from benchmarks.executor.side import NotAvailable, Run, step
from pydantic_graph import GraphBuilder, StepContext, reduce_list_append


@asynccontextmanager
async def ready(variant: str, dag: Dag, folder: Path, width: int | None) -> AsyncIterator[Run]:
    """memory: it keeps nothing. Joins of several branches into one node differ: wide and chain."""
    if variant != "memory":
        raise NotAvailable(f"pydantic-graph has no variant '{variant}'")
    if len(dag.levels) == 1:
        graph = _wide()
    elif all(len(level) == 1 for level in dag.levels):
        graph = _chain(len(dag))
    else:
        raise NotAvailable("pydantic-graph: only wide and chain are built here")
    yield lambda: graph.run(inputs=list(range(len(dag))))


def _wide() -> Any:
    builder: Any = GraphBuilder(input_type=list[int], output_type=list[int], auto_instrument=False)

    @builder.step
    async def work(context: StepContext[None, None, int]) -> int:
        await step()
        return context.inputs

    collect = builder.join(reduce_list_append, initial_factory=list[int])
    builder.add(
        builder.edge_from(builder.start_node).map().to(work),
        builder.edge_from(work).to(collect),
        builder.edge_from(collect).to(builder.end_node),
    )
    return builder.build()


def _chain(steps: int) -> Any:
    builder: Any = GraphBuilder(input_type=list[int], output_type=list[int], auto_instrument=False)

    async def work(context: StepContext[None, None, list[int]]) -> list[int]:
        await step()
        return context.inputs

    before = builder.start_node
    for number in range(steps):
        node = builder.step(call=work, node_id=f"s{number}")
        builder.add(builder.edge_from(before).to(node))
        before = node
    builder.add(builder.edge_from(before).to(builder.end_node))
    return builder.build()
