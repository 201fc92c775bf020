"""LangGraph's own suite for checkpointers, at everything that it tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from treadle.memory.langgraph import TreadleCheckpointer


class InTheLoop(TreadleCheckpointer):
    """Its async methods call the synchronous ones, in the thread of the running loop."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self.get_tuple(config)

    async def alist(self, config: RunnableConfig | None, **given: Any) -> AsyncIterator[Any]:
        for each in self.list(config, **given):
            yield each

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: Any,
    ) -> RunnableConfig:
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        self.delete_thread(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        self.delete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self.copy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self.prune(thread_ids, strategy=strategy)


class InAThread(InTheLoop):
    """Its async methods call the synchronous ones, in a thread without a loop."""

    async def aput(self, *given: Any, **named: Any) -> RunnableConfig:
        return await asyncio.to_thread(self.put, *given, **named)

    async def aput_writes(self, *given: Any, **named: Any) -> None:
        await asyncio.to_thread(self.put_writes, *given, **named)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await asyncio.to_thread(self.get_tuple, config)


@pytest.fixture(params=[TreadleCheckpointer, InTheLoop, InAThread])
def kind(request: pytest.FixtureRequest) -> type[TreadleCheckpointer]:
    chosen: type[TreadleCheckpointer] = request.param
    return chosen


async def test_it_passes_at_every_capability(
    kind: type[TreadleCheckpointer], database_url: str
) -> None:
    @checkpointer_test(name=kind.__name__)
    async def factory() -> AsyncIterator[TreadleCheckpointer]:
        async with kind(database_url) as saver:
            yield saver

    report = await validate(factory)
    failures = [failure for each in report.results.values() for failure in each.failures]
    assert failures == []
    passed = {name for name, each in report.results.items() if each.passed}
    assert passed == {each.value for each in Capability}
    assert sum(each.tests_passed for each in report.results.values()) >= 81
