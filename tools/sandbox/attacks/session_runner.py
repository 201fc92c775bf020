"""Attacks from within sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.core.errors import TreadleError
from treadle.tools.sandbox.contract import SandboxLimits, SandboxPolicy, SandboxResult
from treadle.tools.sandbox.sandbox import Sandbox


class SessionRunner:
    """A CodeRunner that runs each snippet as a call of a new session of Python.

    What sessions do not have (programs, files before and after) runs as `sandbox` runs it.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def run(
        self,
        code: str | None = None,
        *,
        command: Sequence[str] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        results: Sequence[str] = (),
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
    ) -> SandboxResult:
        """See CodeRunner."""
        if code is None or command is not None or files or results:
            return await self._sandbox.run(
                code, command=command, files=files, results=results, limits=limits, policy=policy
            )
        try:
            async with self._sandbox.session("python", limits=limits, policy=policy) as session:
                return await session.run(code)
        except TreadleError as error:
            demanded = policy or self._sandbox.policy
            reason = f"{error.code}: {error.message}"
            return SandboxResult("refused", None, "", "", demanded.min_level, 0.0, reason=reason)
