"""Jobs in processes of their own, a few at a time, that die with whoever waits for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from treadle.core.errors import ConfigError, InputError, RunError, TreadleError

_LOOK_SECONDS = 1.0
_KINDS: tuple[type[TreadleError], ...] = (InputError, ConfigError)
_JobT = TypeVar("_JobT")
_ResultT = TypeVar("_ResultT")


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    index: int


@dataclass(frozen=True, slots=True)
class _Done(Generic[_ResultT]):
    result: _ResultT


@dataclass(frozen=True, slots=True)
class _Failed:
    """An error, taken apart: exceptions with two arguments do not survive being sent."""

    kind: type[TreadleError]
    code: str
    message: str


def in_processes(
    work: Callable[[_JobT], _ResultT],
    jobs: Sequence[_JobT],
    *,
    most: int | None = None,
    finished: Callable[[int], None] = lambda _: None,
) -> list[_ResultT]:
    """`work` of each of `jobs`, in their order, in up to `most` processes at once.

    work: a function of a module, for it is sent to the processes, as the jobs are.
    most: as many as there are cores, if not said.
    finished: told how many have ended, each time one has.

    However it ends, Ctrl-C included, no process is left behind. Raises the InputError or the
    ConfigError that `work` raised, RunError with the code of any other TreadleError, and RunError
    `worker_died` when a process ends without a result.
    """
    context = multiprocessing.get_context("spawn")
    limit = max(1, most or _cores())
    results: dict[int, _ResultT] = {}
    running: dict[Connection, _Worker] = {}
    coming = iter(range(len(jobs)))
    with _none_left(running):
        while len(results) < len(jobs):
            while len(running) < limit and (index := next(coming, None)) is not None:
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(
                    target=_child, args=(theirs, work, jobs[index]), daemon=True
                )
                process.start()
                theirs.close()
                running[ours] = _Worker(process, index)
            # A deadline, so that a signal is seen where waiting cannot be interrupted.
            for ready in wait(list(running), timeout=_LOOK_SECONDS):
                assert isinstance(ready, Connection)
                worker = running[ready]
                results[worker.index] = _received(ready, worker.process)
                del running[ready]
                worker.process.join()
                finished(len(results))
    return [results[index] for index in range(len(jobs))]


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _received(connection: Connection, process: BaseProcess) -> _ResultT:  # type: ignore[type-var]
    try:
        answer: _Done[_ResultT] | _Failed = connection.recv()
    except EOFError as error:
        process.join()
        raise RunError(
            "worker_died",
            f"a process of the simulation ended with code {process.exitcode}; "
            f"is there memory enough for this workload?",
        ) from error
    finally:
        connection.close()
    if isinstance(answer, _Failed):
        raise answer.kind(answer.code, answer.message)
    return answer.result


@contextmanager
def _none_left(running: dict[Connection, _Worker]) -> Iterator[None]:
    try:
        yield
    finally:
        for connection, worker in running.items():
            worker.process.kill()
            worker.process.join()
            connection.close()


def _child(connection: Connection, work: Callable[[_JobT], _ResultT], job: _JobT) -> None:
    # Ctrl-C goes to the whole group: whoever waits ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer: _Done[_ResultT] | _Failed
    try:
        answer = _Done(work(job))
    except TreadleError as error:
        kind = next((each for each in _KINDS if isinstance(error, each)), RunError)
        answer = _Failed(kind, error.code, error.message)
    connection.send(answer)
    connection.close()
