"""The main process's end of the workers: one per side, started once, asked in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from benchmarks.executor.measure import Sample
from benchmarks.executor.shapes import Shape
from benchmarks.executor.side import NotAvailable


class Workers:
    """`with Workers() as workers: workers.measure("treadle", "memory", shape)`

    Only one works at a time; the others wait for their next line and cost nothing.
    """

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[str]] = {}

    def measure(self, side: str, variant: str, shape: Shape, *, width: int | None = None) -> Sample:
        """One run. Raises NotAvailable, also where the side has failed."""
        request = {"task": "measure", "variant": variant, "width": width, "shape": shape.as_json()}
        return Sample(**self._ask(side, request)["sample"])

    def call(self, task: str, *, fresh: bool = False, **options: object) -> Any:
        """What the function `task` of `tasks` returns in Treadle's worker.

        fresh: in a process of its own, for what is said of memory.
        """
        name = "treadle"
        if fresh:
            self._stop(name)
        return self._ask(name, {"task": task, "options": options})["value"]

    def _ask(self, side: str, request: dict[str, Any]) -> dict[str, Any]:
        worker = self._running.get(side)
        if worker is None:
            worker = self._running[side] = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.executor.worker", side],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            self._running.pop(side).wait()
            raise NotAvailable(
                f"the process of {side} FAILED (exit {worker.returncode}); see above"
            )
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise NotAvailable(answer["missing"])
        return answer

    def _stop(self, side: str) -> None:
        worker = self._running.pop(side, None)
        if worker is not None:
            worker.communicate()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for side in list(self._running):
            if error is None:
                self._stop(side)
            else:
                self._running.pop(side).kill()
