"""What one execution says, gathered within the bounds that it was given."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Final

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.boundary import BoundaryEnd
from treadle.tools.sandbox.contract import (
    RunStatus,
    SandboxLevel,
    SandboxLimits,
    SandboxResult,
    SandboxUsage,
)
from treadle.tools.sandbox.frames import FrameError, decode_bytes, strict_json
from treadle.tools.sandbox.guest.cell import JSON, RAISED, REPR, TOO_LARGE
from treadle.tools.sandbox.spelled_out import spelled_out
from treadle.tools.sandbox.workspace_files import CollectedFiles

_WORDS: Final[dict[str, str]] = {"out": "stdout", "err": "stderr", "value": "its report"}


class Gathering:
    """The output of one execution and how it ended."""

    def __init__(self, limits: SandboxLimits) -> None:
        self._limits = limits
        self._streams: dict[str, bytearray] = {name: bytearray() for name in _WORDS}
        self.status: RunStatus = "killed"
        self.exit_code: int | None = None
        self.reason = ""
        self.usage = SandboxUsage()
        self._overrun = ""
        self.heard = False
        self.signal = 0

    def take(self, message: Mapping[str, JsonValue]) -> None:
        """A message `out`, `err` or `value`. Raises FrameError for more than is allowed."""
        self.heard = True
        name, data = str(message["kind"]), decode_bytes(message["data"])
        gathered = self._streams[name]
        if not data or len(gathered) + len(data) > self._limits.output_bytes:
            raise FrameError("more output than it may, or nothing as output")
        gathered += data

    def done(self, message: Mapping[str, JsonValue]) -> None:
        """A message `done`. Raises FrameError for one that makes no sense."""
        ended, code = message["ended"], message["code"]
        cpu, memory = message["cpu"], message["memory"]
        assert isinstance(code, int)
        assert isinstance(cpu, float)
        assert isinstance(memory, int)
        if not (0 <= code <= 255 and cpu >= 0 and memory >= 0):
            raise FrameError("figures that cannot be")
        self.usage = SandboxUsage(cpu, memory)
        if ended == "timeout":
            self.stop("timeout", f"it took more than its {self._limits.seconds:g} s")
        elif ended == "overrun":
            self._overran()
        elif ended == "signal":
            self._signalled(code, cpu)
        elif ended == "exit":
            self._exited(code)
        else:
            raise FrameError("an end that there is not")

    def called(self, message: Mapping[str, JsonValue], seconds: float) -> bool:
        """A message `called` of a session: whether its kernel is still there."""
        ended, code, lost = message["ended"], message["code"], message["lost"]
        assert isinstance(code, int)
        if not 0 <= code <= 255:
            raise FrameError("figures that cannot be")
        kept = "it was interrupted, and the session goes on" if not lost else ""
        if ended == "timeout":
            self.stop(
                "timeout", "; ".join(filter(None, (f"it took more than its {seconds:g} s", kept)))
            )
        elif ended == "overrun":
            self._overran()
            self.reason = "; ".join(filter(None, (self.reason, kept)))
        elif ended == "signal":
            self.stop("killed", f"its process was ended by signal {code}")
        elif ended in ("report", "exit"):
            self._exited(code)
        else:
            raise FrameError("an end that there is not")
        return not lost

    def stop(self, status: RunStatus, reason: str) -> None:
        """It was ended from outside."""
        self.status, self.reason, self.exit_code = status, reason, None

    def stop_as(self, end: BoundaryEnd) -> None:
        """Its boundary has ended: with the boundary's reason, or because it was attacked."""
        if end.status in ("ok", "error"):
            self.stop("killed", "the process that watches it was ended")
        else:
            self.stop(end.status, end.reason or "its boundary was ended")
        self.usage = end.usage

    def _exited(self, code: int) -> None:
        self.exit_code = code
        self.status = "ok" if code == 0 else "error"
        report = self._report()
        if code == 0:
            return
        if report == RAISED + b"MemoryError":
            self.status = "memory"
            self.reason = "it could not get the memory that it asked for (MemoryError)"
        elif report.startswith(RAISED):
            self.reason = f"it raised {_quoted(report[1:])}"
        else:
            self.reason = f"it ended with exit code {code}"

    def _overran(self) -> None:
        full = [
            name for name, data in self._streams.items() if len(data) >= self._limits.output_bytes
        ]
        self._overrun = full[0] if full else "out"
        what, most = _WORDS[self._overrun], self._limits.output_bytes
        self.stop("killed", f"it wrote more than {most} bytes to {what}")

    def _signalled(self, number: int, cpu: float) -> None:
        self.signal = number
        most = self._limits.cpu_seconds
        if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu >= most):
            self.stop("timeout", f"it took more than its {most:g} s of CPU time")
        else:
            self.stop("killed", f"it was ended by signal {number}")

    def result(
        self,
        level: SandboxLevel,
        seconds: float,
        found: CollectedFiles | None = None,
        note: str = "",
    ) -> SandboxResult:
        """Everything as a result."""
        value, about_value = self._value()
        files = found or CollectedFiles()
        left_out = "not brought back: " + "; ".join(files.left_out) if files.left_out else ""
        reasons = [each for each in (self.reason, about_value, left_out, note) if each]
        return SandboxResult(
            self.status,
            self.exit_code,
            self._streams["out"].decode("utf-8", "replace"),
            self._streams["err"].decode("utf-8", "replace"),
            level,
            seconds,
            value,
            files.files,
            "; ".join(reasons),
            self._overrun in ("out", "err"),
            self.usage,
        )

    def _report(self) -> bytes:
        return bytes(self._streams["value"])

    def _value(self) -> tuple[JsonValue, str]:
        """The value, and what there is to say about it. A report is the snippet's own word."""
        report = self._report()
        kind, body = report[:1], report[1:]
        if self.status != "ok":
            return None, ""
        if kind == JSON:
            try:
                return strict_json(body), ""
            except FrameError:
                return None, "its value is no JSON that is taken"
        if kind == REPR:
            return None, f"its value is no JSON: {_quoted(body)}"
        if kind == TOO_LARGE:
            return None, f"its value has more than {self._limits.output_bytes} bytes"
        return None, ""


def _quoted(text: bytes) -> str:
    return spelled_out(text[:200].decode("utf-8", "replace"))
