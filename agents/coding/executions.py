"""Every execution of an agent's code: counted, bounded, recorded, and only in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from treadle.core.errors import ErrorInfo, ToolError
from treadle.core.events import ToolCalled
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.program import current_program
from treadle.tools.sandbox.contract import (
    CodeRunner,
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxResult,
)

_GRACE = 30.0
"""Seconds that a runner has beyond the limit that it was given itself: it may wait for its turn."""


class Executions:
    """Runs code in a sandbox on behalf of one task of an agent.

    Within a run each execution counts as a step of its budget and is an event.

    at_once: executions at the same time; the others wait.
    """

    def __init__(
        self,
        runner: CodeRunner,
        *,
        limits: SandboxLimits,
        policy: SandboxPolicy | None = None,
        at_once: int = 4,
    ) -> None:
        self._runner = runner
        self.limits = limits
        self._policy = policy
        self._room = asyncio.Semaphore(at_once)
        self.count = 0
        """How many there were."""
        self.level: SandboxLevel | None = None
        """The weakest level that any of them had; None before the first."""

    async def run(
        self,
        purpose: str,
        code: str | None = None,
        *,
        command: Sequence[str] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        results: Sequence[str] = (),
        limits: SandboxLimits | None = None,
        shown: JsonValue = None,
    ) -> SandboxResult:
        """Run `code` or `command`; see CodeRunner.

        purpose: "test", "observe", "trace" or "act". shown: what the record says was run.

        Raises ToolError (`sandbox_unavailable`) where it was refused, BudgetExceeded, and what
        the runner raises.
        """
        used = limits or self.limits
        work = partial(
            self._runner.run,
            code,
            command=command,
            files=files,
            results=results,
            limits=used,
            policy=self._policy,
        )
        return await self.perform(purpose, work, seconds=used.seconds, shown=shown)

    async def perform(
        self,
        purpose: str,
        work: Callable[[], Awaitable[SandboxResult]],
        *,
        seconds: float | None = None,
        shown: JsonValue = None,
    ) -> SandboxResult:
        """Do `work`, one execution; see `run`. seconds: its own limit, that of all by default.

        Raises as `run` does.
        """
        program = current_program.get()
        if program is not None:
            program.budget.reserve_step()
        bound = self.limits.seconds if seconds is None else seconds
        async with self._room:
            self.count += 1
            try:
                async with asyncio.timeout(bound + _GRACE):
                    result = await work()
            except TimeoutError:
                raise ToolError(
                    "sandbox_failed", f"an execution did not end {_GRACE:g} s after its limit"
                ) from None
        if result.status == "refused":
            raise ToolError("sandbox_unavailable", f"the code was not run: {result.reason}")
        if self.level is None or result.level.rank < self.level.rank:
            self.level = result.level
        if program is not None:
            program.record(
                ToolCalled(
                    step_id=program.step_id,
                    tool="sandbox",
                    arguments=Payload({"purpose": purpose, "code": shown}),
                    output=Payload(_summary(result)),
                    error=None if result.status == "ok" else ErrorInfo("code_failed", _why(result)),
                )
            )
        return result


def _summary(result: SandboxResult) -> JsonValue:
    return {
        "status": result.status,
        "exit_code": result.exit_code,
        "level": str(result.level),
        "seconds": round(result.seconds, 6),
    }


def _why(result: SandboxResult) -> str:
    return result.reason or f"{result.status}, exit code {result.exit_code}"
