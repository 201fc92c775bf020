"""The supervisor of a session: it holds the pipes to the host, its kernel runs what is sent.

The kernel is a child that it can interrupt and end, and that cannot reach it: it is hidden like a
zygote. A session has its boundary for itself, so nothing is wiped.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import Any

from treadle.tools.sandbox.guest import process
from treadle.tools.sandbox.guest.bash_kernel import serve_bash
from treadle.tools.sandbox.guest.kernel_wire import REPORTS, TEXTS, Reports
from treadle.tools.sandbox.guest.python_kernel import serve_python
from treadle.tools.sandbox.guest.relay import REPORT, Relay, make_pipes, reap
from treadle.tools.sandbox.guest.sql_kernel import serve_sql
from treadle.tools.sandbox.guest.wire import read_frame, send_data, send_frame, write_all

_INTERRUPT_SECONDS = 1.0
"""How long a kernel may take to obey an interrupt."""

_START_SECONDS = 15.0

_KERNELS = {
    "python": serve_python,
    "sql": serve_sql,
    "duckdb": serve_sql,
    "bash": serve_bash,
}


def main(options: dict[str, Any]) -> None:
    """Serve calls until the host closes the pipe, or for `idle_seconds` sends none."""
    host_in, host_out = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    process.hide()
    process.ignore_signals()
    if options["outside"] is not None:
        process.refuse_neighbours()
    supervisor = _Supervisor(host_out, options)
    supervisor.wait_for_kernel()
    send_frame(host_out, "ready", python=sys.version.split()[0])
    while select.select([host_in], [], [], options["idle_seconds"])[0]:
        try:
            call = read_frame(host_in)
        except EOFError:
            return
        if not supervisor.call(call["text"], call["seconds"]):
            return


class _Supervisor:
    def __init__(self, host: int, options: dict[str, Any]) -> None:
        self._host = host
        self._options = options
        outside = options["outside"]
        self._alone = outside is not None and all(
            os.readlink(f"/proc/self/ns/{name}") != outside[name] for name in ("pid", "mnt")
        )
        reading, writing = make_pipes(["out", "err", REPORT])
        texts, self._texts = os.pipe()
        self._kernel = os.fork()
        if self._kernel == 0:
            self._become_kernel(texts, writing)
        for descriptor in (texts, *writing.values()):
            os.close(descriptor)
        self._reports = Reports(reading.pop(REPORT), options["max_value"] + 16)
        most: int = options["limits"]["output_bytes"]
        self._amounts: dict[str, int] = {"out": most, "err": most}
        self._errors = reading["err"]
        self._relay = Relay(host, reading, self._amounts)
        self._bystanders = process.others() - {str(self._kernel)}

    def _become_kernel(self, texts: int, writing: dict[str, int]) -> None:
        try:
            null = os.open("/dev/null", os.O_RDONLY)
            process.become_child(
                {
                    0: null,
                    1: writing["out"],
                    2: writing["err"],
                    TEXTS: texts,
                    REPORTS: writing[REPORT],
                }
            )
            process.usual_signals()
            process.show()
            process.die_with_parent()
            process.prefer_as_victim()
            process.lower_limits(self._options["limits"])
            sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
            sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            _KERNELS[self._options["kind"]](self._options)
        except EOFError:
            os._exit(0)
        except Exception as error:  # noqa: BLE001 - the host is told why there is no kernel
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            # Whatever happens in here, nothing of the parent's may be run a second time.
            os._exit(1)

    def wait_for_kernel(self) -> None:
        """Until the kernel has said that it is there. Raises SystemExit where it will not."""
        answer = None
        while (
            answer is None and select.select([self._reports.descriptor], [], [], _START_SECONDS)[0]
        ):
            try:
                answer = self._reports.next()
            except (EOFError, ValueError):
                break
        if answer is None:
            with contextlib.suppress(BlockingIOError):
                write_all(2, os.read(self._errors, 1 << 12))
            raise SystemExit(f"the kernel for {self._options['kind']} did not start")

    def call(self, text: str, seconds: float) -> bool:
        """Run one text; whether the kernel is there for another."""
        self._relay.refill(self._amounts)
        self._reports.discard()
        deadline = time.monotonic() + seconds
        try:
            write_all(self._texts, text.encode("utf-8") + b"\0")
            why, answer = self._until_report(deadline)
            if why in ("timeout", "overrun"):
                answer = self._interrupt()
        except (EOFError, ValueError, BrokenPipeError):
            why, answer = "signal", None
        self._relay.drain()
        if answer is not None:
            code, what = answer
            send_data(self._host, REPORT, what)
            send_frame(self._host, "called", ended=why, code=code, lost=False)
            return True
        end = reap(self._kernel)
        self._relay.drain()
        ended = why if why in ("timeout", "overrun") else end["ended"]
        send_frame(self._host, "called", ended=ended, code=end["code"], lost=True)
        return False

    def _until_report(self, deadline: float) -> tuple[str, tuple[int, bytes] | None]:
        """Why it is over: `report` with it, `ended` (the kernel), `timeout`, `overrun`."""
        while True:
            why = self._relay.watch(self._kernel, deadline, self._reports.descriptor)
            if why != "report":
                return why, None
            answer = self._reports.next()
            if answer is not None:
                return why, answer

    def _interrupt(self) -> tuple[int, bytes] | None:
        """What the kernel reports when it is asked to stop; None where it does not stop."""
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while time.monotonic() < deadline:
            bash = self._options["kind"] == "bash"
            if bash and self._alone:
                self._end_commands()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._kernel, signal.SIGUSR1 if bash else signal.SIGINT)
            self._relay.discard = True
            why, answer = self._until_report(min(deadline, time.monotonic() + 0.3))
            if why in ("report", "ended"):
                return answer
        return None

    def _end_commands(self) -> None:
        """Kill what the shell has started: it waits for nothing else."""
        for pid in process.others() - self._bystanders - {str(self._kernel)}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
