"""The process that is killed: begins a run, or resumes it, and says what it sees of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.crash.tools import tools
from tests.crash.world import World
from treadle import Plan, Runtime
from treadle.agents.runs.run_stream import RunStream
from treadle.core.errors import TreadleError
from treadle.executor import approve_all
from treadle.executor.journal.codec import encode
from treadle.testing import ScriptedModel

CHUNKS_PER_SECOND = 6_000
"""How fast the model writes a plan: a kill can fall into it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one process does for a run.

    life: its number; the first process of a run is 1.
    planned: whether a model writes the plan, rather than that it is handed in.
    resume: whether the run was begun by an earlier life.
    done, redo: what a person said of the steps that are in doubt.
    pace: how many chunks of a plan its model writes per second.
    """

    url: str
    folder: Path
    run_id: str
    life: int
    plan: dict[str, Any]
    planned: bool
    max_parallel: int
    resume: bool = False
    done: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()
    pace: float = CHUNKS_PER_SECOND


def work(job: Job, pipe: Connection) -> None:
    """Do the job; send ["event", row] for every event, then ["ended", result] or ["refused", code].

    What was sent is kept: a stream shows an event when the journal has it.
    """
    asyncio.run(_work(job, pipe))
    pipe.close()


async def _work(job: Job, pipe: Connection) -> None:
    runtime = Runtime(
        model=ScriptedModel(
            by_purpose={"plan": lambda request: job.plan},
            chunk=16,
            tokens_per_second=job.pace,
        ),
        tools=tools(World(job.folder), job.life),
        builtins=False,
        database=job.url,
        artifacts=job.folder / "artifacts",
        approve=approve_all,
        max_parallel=job.max_parallel,
        new_id=lambda: job.run_id,
    )
    async with runtime:
        try:
            stream = await _opened(runtime, job)
        except TreadleError as error:
            _send(pipe, "refused", error.code)
            return
        async with stream as run:
            async for event in run:
                _send(pipe, "event", encode(event))
        _send(pipe, "ended", run.result.as_json())


async def _opened(runtime: Runtime, job: Job) -> RunStream:
    if job.resume:
        return await runtime.reopen(job.run_id, done=job.done, redo=job.redo)
    return runtime.stream("Do it." if job.planned else Plan.from_wire(job.plan))


def _send(pipe: Connection, kind: str, value: Any) -> None:
    pipe.send_bytes(json.dumps([kind, value]).encode())
