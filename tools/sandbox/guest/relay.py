"""Watching one child: its output goes to the host by its own pipes, within bounds."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Any

from treadle.tools.sandbox.guest.wire import send_data

REPORT = "value"
_READ = 64 * 1024
_MOST_READS = 1024


class Relay:
    """The reading ends of a child's pipes, each with how many bytes may still pass."""

    def __init__(self, host: int, pipes: dict[str, int], limits: dict[str, int]) -> None:
        self._host = host
        self._names = {descriptor: name for name, descriptor in pipes.items()}
        self._left = dict(limits)
        self.overrun = ""
        self.discard = False
        self._poll = select.poll()
        for descriptor in self._names:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)

    def refill(self, limits: dict[str, int]) -> None:
        """Allow as much again, for the next call."""
        self._left = dict(limits)
        self.overrun = ""
        self.discard = False

    def watch(self, child: int, deadline: float, report: int | None = None) -> str:
        """Pass on what comes until the child has ended (`ended`), `timeout` or `overrun`.

        report: `report` as soon as there is something on this descriptor. A child that has ended
        is left to be waited for.
        """
        ended = os.pidfd_open(child)
        self._poll.register(ended, select.POLLIN)
        watched = report
        if watched is not None:
            self._poll.register(watched, select.POLLIN)
        try:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return "timeout"
                for descriptor, event in self._poll.poll(left * 1000):
                    if descriptor == watched:
                        if event & select.POLLIN:
                            return "report"
                        # Closed: its end is all that is left to wait for.
                        self._poll.unregister(descriptor)
                        watched = None
                    elif descriptor == ended:
                        self.drain()
                        return "overrun" if self.overrun and not self.discard else "ended"
                    else:
                        self._pass(descriptor)
                if self.overrun and not self.discard:
                    return "overrun"
        finally:
            self._poll.unregister(ended)
            os.close(ended)
            if watched is not None:
                self._poll.unregister(watched)

    def drain(self) -> None:
        """Pass on what is in the pipes, without waiting for whoever else holds them."""
        for descriptor in list(self._names):
            for _ in range(_MOST_READS):
                if self.overrun or not self._pass(descriptor):
                    break

    def _pass(self, descriptor: int) -> bool:
        name = self._names.get(descriptor)
        if name is None:
            return False
        try:
            data = os.read(descriptor, _READ)
        except BlockingIOError:
            return False
        if not data:
            self._poll.unregister(descriptor)
            del self._names[descriptor]
            return False
        if self.discard:
            return True
        allowed = self._left[name]
        if len(data) > allowed:
            self.overrun = name
        self._left[name] -= min(len(data), allowed)
        send_data(self._host, name, data[:allowed])
        return True


def make_pipes(names: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """The reading and the writing ends of a pipe for each name."""
    reading, writing = {}, {}
    for name in names:
        reading[name], writing[name] = os.pipe()
    return reading, writing


def reap(child: int) -> dict[str, Any]:
    """How `child`, which has ended or is ended here, did so: `ended`, `code`, `cpu`, `memory`."""
    os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    signalled = os.WIFSIGNALED(status)
    return {
        "ended": "signal" if signalled else "exit",
        "code": os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status),
        "cpu": float(used.ru_utime + used.ru_stime),
        "memory": used.ru_maxrss * 1024,
    }
