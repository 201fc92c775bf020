"""A warm interpreter: one fork for each execution, and everything as it was after each.

It never holds anything of an execution. For each command, one byte, it forks a process that reads
the rest from the pipe (code, files, names), so that nothing of one execution is in the memory from
which the next is forked. Then it ends whatever is left in its process namespace.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import decimal
import fractions
import functools
import gc
import itertools
import math
import os
import random
import re
import select
import signal
import statistics
import string
import sys
import textwrap
import time
import traceback
import typing
from collections.abc import Callable
from typing import Any

from treadle.tools.sandbox.guest import process
from treadle.tools.sandbox.guest.cell import add_site_names
from treadle.tools.sandbox.guest.runner import run_once
from treadle.tools.sandbox.guest.wiper import Anomaly, Wiper
from treadle.tools.sandbox.guest.wire import send_frame

# What snippets import most: loaded once here.
PRELOADED = (
    collections,
    contextlib,
    dataclasses,
    datetime,
    decimal,
    fractions,
    functools,
    itertools,
    math,
    random,
    re,
    statistics,
    string,
    textwrap,
    traceback,
    typing,
)

_CLEAN_SECONDS = 2.0
_EX_ANOMALY = 3


def main(options: dict[str, Any]) -> None:
    """Serve executions until the host closes the pipe, or for `idle_seconds` asks for none."""
    commands, host = _take_pipes()
    # kill(-1) and the wiping below would be a disaster anywhere else.
    for name in ("pid", "mnt"):
        if os.readlink(f"/proc/self/ns/{name}") == options["outside"][name]:
            raise SystemExit(f"no {name} namespace of its own: warm workers need one")
    process.hide()
    process.adopt_orphans()
    process.ignore_signals()
    process.refuse_neighbours()
    try:
        wiper = Wiper()
    except Anomaly as error:
        raise SystemExit(str(error)) from None
    zygote = _Zygote(commands, host, wiper)
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    add_site_names()
    gc.collect()
    gc.freeze()
    send_frame(host, "ready", python=sys.version.split()[0])
    while select.select([commands], [], [], options["idle_seconds"])[0]:
        command = os.read(commands, 1)
        if not command or not zygote.serve(command):
            return


def _take_pipes() -> tuple[int, int]:
    """The host's two pipes, moved away from where a snippet's own input and output will be."""
    commands, host = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return commands, host


class _Zygote:
    def __init__(self, commands: int, host: int, wiper: Wiper) -> None:
        self._commands = commands
        self._host = host
        self._wiper = wiper
        self._footprint = process.footprint()

    def serve(self, command: bytes) -> bool:
        """One command; whether it was one."""
        work = {
            b"r": lambda: run_once(self._commands, self._host),
            b"w": self._wiper.wipe,
        }.get(command)
        if work is None:
            return False
        status = self._in_child(work)
        sound = self._end_everything() and process.footprint() == self._footprint
        send_frame(self._host, "turn", command=command.decode("ascii"), status=status, sound=sound)
        return sound

    def _in_child(self, work: Callable[[], None]) -> int:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                process.die_with_parent()
                work()
                code = 0
            except Anomaly:
                code = _EX_ANOMALY
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    def _end_everything(self) -> bool:
        """Kill and reap all else in the namespace; whether nothing is left of it."""
        deadline = time.monotonic() + _CLEAN_SECONDS
        while time.monotonic() < deadline:
            try:
                # One call reaches all at once, forking ones too: a fork with a signal pending
                # fails. It reaches zombies as well, so that nobody there means nothing left.
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, 0)[0]:
                    pass
        return False
