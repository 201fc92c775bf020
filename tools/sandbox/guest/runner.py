"""One execution: a process that reads what is to be run, starts it, and watches it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import types
from typing import Any

from treadle.tools.sandbox.guest import process
from treadle.tools.sandbox.guest.cell import run_cell
from treadle.tools.sandbox.guest.relay import REPORT, Relay, make_pipes, reap
from treadle.tools.sandbox.guest.wire import read_frame, send_frame, write_all
from treadle.tools.sandbox.guest.workspace import put_file

_REPORT_DESCRIPTOR = 3


def run_once(commands: int, host: int) -> None:
    """Read files and a snippet from `commands`, run it in a child, tell `host` what comes of it."""
    root = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    while (message := read_frame(commands))["kind"] == "file":
        try:
            put_file(root, message["path"], message["data"])
        except OSError as error:
            reason = f"the file '{message['path']}' cannot be written ({error.strerror})"
            while read_frame(commands)["kind"] == "file":
                pass
            send_frame(host, "refused", reason=reason)
            return
    os.close(root)
    limits = message["limits"]
    reading, writing = make_pipes(["out", "err", REPORT])
    child = os.fork()
    if child == 0:
        _become_snippet(message["code"], limits, writing)
    for descriptor in writing.values():
        os.close(descriptor)
    deadline = time.monotonic() + limits["seconds"]
    most: int = limits["output_bytes"]
    amounts = dict.fromkeys(reading, most)
    relay = Relay(host, reading, amounts)
    why = relay.watch(child, deadline)
    end = reap(child)
    if why != "ended":
        end["ended"] = why
        relay.drain()
    send_frame(host, "done", **end)


def _become_snippet(code: str, limits: dict[str, Any], writing: dict[str, int]) -> None:
    """In the child: run `code` and end."""
    exit_code = 1
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        process.become_child(
            {0: null, 1: writing["out"], 2: writing["err"], _REPORT_DESCRIPTOR: writing[REPORT]}
        )
        process.usual_signals()
        process.show()
        process.die_with_parent()
        process.prefer_as_victim()
        process.lower_limits(limits)
        exit_code = _run(code, limits["output_bytes"])
    finally:
        # Whatever happens in here, nothing of the parent's may be run a second time.
        os._exit(exit_code)


def _run(code: str, max_value: int) -> int:
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    sys.argv = ["<code>"]
    sys.path.insert(0, os.getcwd())
    own = os.getpid()
    outcome = run_cell(code, main.__dict__, max_value)
    if os.getpid() == own:
        # A fork that the snippet has made comes here too: its value is nobody's.
        write_all(_REPORT_DESCRIPTOR, outcome.report)
    threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does: wait for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The snippet has closed it, or put something else in its place.
            continue
    return outcome.code
