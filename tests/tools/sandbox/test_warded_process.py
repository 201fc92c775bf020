"""What the host hears of a process's end, and what is left of one that is forgotten."""

import gc
import json
import os
import socket

import pytest

from treadle.tools.sandbox.boundary import BoundaryEnd
from treadle.tools.sandbox.contract import SandboxUsage
from treadle.tools.sandbox.levels.warded_process import WardedProcess
from treadle.tools.sandbox.levels.warden import Started

ENDED = {
    "ended": 3,
    "status": None,
    "reason": "",
    "usage": {"cpu_seconds": 0.5, "peak_memory_bytes": None},
}


def process_and_warden() -> tuple[WardedProcess, socket.socket]:
    """A process whose warden is the test."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    stdin, stdout, stderr, workspace = (os.open(os.devnull, os.O_RDWR) for _ in range(4))
    return WardedProcess(stdin, stdout, stderr, Started(1, None, ours), workspace), theirs


@pytest.mark.parametrize("killed", [False, True])
async def test_the_end_is_heard_though_a_word_to_the_warden_was_not(killed: bool) -> None:
    process, warden = process_and_warden()
    with warden:
        warden.send(json.dumps(ENDED).encode())
        if killed:
            process.end_soon("killed", "too late")
    end = await process.wait(1.0)
    assert end == BoundaryEnd("error", 3, "", SandboxUsage(0.5, None))
    process.close()


@pytest.mark.parametrize("killed", [False, True])
async def test_a_warden_that_is_gone(killed: bool) -> None:
    process, warden = process_and_warden()
    with warden:
        if killed:
            process.end_soon("killed", "never read")
    end = await process.wait(1.0)
    assert (end.status, end.reason) == ("killed", "the sandbox's warden is gone")
    process.close()


async def test_who_is_forgotten_is_let_go_of() -> None:
    process, warden = process_and_warden()
    descriptors = [process.stdin, process.stdout, process.stderr, process.workspace]
    done: list[str] = []
    process.at_close(lambda: done.append("done"))
    del process
    gc.collect()
    with warden:
        assert warden.recv(1) == b""
    assert done == ["done"]
    for each in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(each)
