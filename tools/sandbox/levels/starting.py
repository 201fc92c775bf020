"""Starting a process through the warden, with its pipes and its first program's request."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from treadle.core.errors import ToolError
from treadle.tools.sandbox.levels.launch import Launch, hand_in
from treadle.tools.sandbox.levels.warded_process import WardedProcess
from treadle.tools.sandbox.levels.warden import Warden


async def started(
    warden: Warden,
    command: Sequence[str],
    launch: Launch,
    extra: Sequence[int],
    theirs: ExitStack,
    *,
    stage: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    confined: int | None = None,
    leased: bool = True,
) -> WardedProcess:
    """Start `command`, whose descriptors are stdin, stdout, stderr, the control socket, `extra`.

    theirs: closes what only the process needs, once it has it. Raises ToolError
    (`sandbox_unavailable`, `sandbox_failed`, `sandbox_busy`).
    """
    ours, control, inside = _pipes(theirs)
    with ExitStack() as kept:
        for each in ours:
            kept.callback(os.close, each)
        kept.callback(control.close)
        process = await warden.execute(
            command,
            [*inside, *extra],
            seconds=launch.limits.seconds,
            memory_bytes=launch.limits.memory_bytes,
            processes=launch.processes,
            stage=stage,
            environment=environment,
            confined=confined,
            leased=leased,
        )
        kept.callback(process.lifeline.close)
        theirs.close()
        try:
            workspace = await hand_in(control, launch)
        except ToolError as error:
            raise ToolError(
                error.code, f"{error.message} {_last_words(ours[2])}".strip()
            ) from error
        kept.pop_all()
    control.close()
    return WardedProcess(*ours, process, workspace)


def _last_words(stderr: int) -> str:
    """What bubblewrap or the first program said before it gave up; both are ours."""
    os.set_blocking(stderr, False)
    try:
        said = os.read(stderr, 2000).decode("utf-8", "replace").strip().splitlines()
    except BlockingIOError:
        return ""
    return f"({said[-1][:300]!a})" if said else ""


def _pipes(theirs: ExitStack) -> tuple[tuple[int, int, int], socket.socket, list[int]]:
    """The host's ends (stdin, stdout, stderr), its end of the control socket, and theirs."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    ours, inside = socket.socketpair()
    for each in (in_read, out_write, error_write):
        theirs.callback(os.close, each)
    theirs.callback(inside.close)
    return (
        (in_write, out_read, error_read),
        ours,
        [in_read, out_write, error_write, inside.fileno()],
    )


def memory_file(theirs: ExitStack, content: bytes) -> int:
    """A descriptor that reads as `content` from its beginning."""
    made = os.memfd_create("treadle", os.MFD_CLOEXEC)
    theirs.callback(os.close, made)
    os.write(made, content)
    os.lseek(made, 0, os.SEEK_SET)
    return made
