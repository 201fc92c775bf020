"""Running a program of this machine that carries a job elsewhere: bounded in time and output."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from treadle.core.errors import ToolError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said. code: None where its time was up."""

    code: int | None
    stdout: bytes
    stderr: bytes


async def ask(
    argv: Sequence[str],
    given: bytes,
    *,
    seconds: float,
    most_bytes: int,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Run `argv`, give it `given`, read what it says. Nothing of its process group stays.

    Raises ToolError (`sandbox_unavailable`) where there is no such program.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError("sandbox_unavailable", f"{argv[0]} cannot be run: {error}") from error
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            _, stdout, stderr = await asyncio.gather(
                _give(process.stdin, given),
                _read(process.stdout, most_bytes),
                _read(process.stderr, 65_536),
            )
            code: int | None = await process.wait()
    except TimeoutError:
        code, stdout, stderr = None, b"", b""
    finally:
        with suppress(ProcessLookupError, PermissionError):  # all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return Answer(code, stdout, stderr)


async def _give(pipe: asyncio.StreamWriter, given: bytes) -> None:
    try:
        pipe.write(given)
        await pipe.drain()
        pipe.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # it has ended without reading that


async def _read(pipe: asyncio.StreamReader, most_bytes: int) -> bytes:
    """At most that many bytes; the rest is read and dropped, so that nobody waits."""
    content = bytearray()
    while part := await pipe.read(65_536):
        content += part[: most_bytes - len(content)]
    return bytes(content)
