from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import pytest

from treadle.core.errors import InputError, RunError
from treadle.serving.simulator.parallel import in_processes


def double(number: int) -> int:
    return 2 * number


def refuse(number: int) -> int:
    raise InputError("bad_workload", f"not {number}")


def die(number: int) -> int:
    os._exit(7)


def interrupt(number: int) -> int:
    """The last one interrupts whoever waits for them all; then it takes long, as the others do."""
    if number == 2:
        os.kill(os.getppid(), signal.SIGINT)
    threading.Event().wait(600)
    return number


def test_results_keep_their_order() -> None:
    told: list[int] = []
    assert in_processes(double, [3, 1, 2], most=2, finished=told.append) == [6, 2, 4]
    assert told == [1, 2, 3]
    assert in_processes(double, []) == []


def test_an_error_comes_back() -> None:
    with pytest.raises(InputError, match="not 5"):
        in_processes(refuse, [5], most=1)


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(RunError, match="code 7") as found:
        in_processes(die, [1], most=1)
    assert found.value.code == "worker_died"


def test_an_interrupt_leaves_no_process_behind() -> None:
    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        in_processes(interrupt, [1, 2], most=2)
    assert set(multiprocessing.active_children()) <= before
