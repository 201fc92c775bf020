"""A process of the host that attacks may try to hurt: made for that, nothing is lost with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

_MAIN = r"""
import ctypes, json, os, sys, tempfile, time
secret = sys.stdin.readline().strip().encode()
memory = ctypes.create_string_buffer(secret, 64)
held = tempfile.TemporaryFile()
held.write(secret)
held.flush()
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)  # anyone may trace this one
print(json.dumps({"address": ctypes.addressof(memory), "descriptor": held.fileno()}), flush=True)
for line in sys.stdin:
    print(memory.value.decode("ascii", "replace"), flush=True)
"""


class Canary:
    """A harmless process that holds the secret in memory, in a file without a name and in its
    environment.

    user: the uid it runs under; the caller's own when None.
    """

    def __init__(self, python: str, secret: str, mark: str, user: int | None) -> None:
        self.mark = mark
        self._secret = secret
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [python, "-I", "-c", _MAIN, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "CANARY": secret},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )
        told = json.loads(self._ask(secret))
        self.address: int = told["address"]
        self.descriptor: int = told["descriptor"]
        self.pid = self._process.pid
        self._limits = self._settings()

    def hurt(self) -> str:
        """What has been done to it, in words; "" for nothing."""
        if self._process.poll() is not None:
            return f"the host's process was ended ({self._process.returncode})"
        state = Path(f"/proc/{self.pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] in "Tt":
            return "the host's process was stopped"
        if self._settings() != self._limits:
            return "the limits or the priority of the host's process were changed"
        if self._ask("check") != self._secret:
            return "the memory of the host's process was written to"
        return ""

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        self._process.communicate(timeout=10)

    def _ask(self, line: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("a process started with pipes has them")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def _settings(self) -> str:
        limits = Path(f"/proc/{self.pid}/limits")
        shown = limits.read_text() if limits.exists() else ""
        return f"{os.getpriority(os.PRIO_PROCESS, self.pid)} {shown}"
