"""Another execution, which holds a secret while an attack runs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.attacks.attack import MODEST
from treadle.tools.sandbox.attacks.prelude import whole_code
from treadle.tools.sandbox.attacks.world import World
from treadle.tools.sandbox.contract import CodeRunner, SandboxPolicy, SandboxResult

_CODE = r"""
import tempfile
secret = open("victim-" + W["nonce"] + ".txt").read()
for folder in (".", tempfile.gettempdir(), "/dev/shm"):
    path = os.path.join(folder, "victim-" + W["nonce"] + ".txt")
    handle = tries(os.open, path, os.O_CREAT | os.O_WRONLY, 0o666)
    if handle is not None:
        os.fchmod(handle, 0o666)
        os.write(handle, secret.encode())
        os.close(handle)
tries(os.chmod, ".", 0o777)
time.sleep(2.5)
say("unhurt" if open("victim-" + W["nonce"] + ".txt").read() == secret else "hurt")
"""


class Victim:
    """Runs on the same runner as the attack, at the same time."""

    def __init__(self, runner: CodeRunner, world: World, policy: SandboxPolicy | None) -> None:
        self._runner = runner
        self._world = world
        self._policy = policy
        self._task: asyncio.Task[SandboxResult] | None = None

    async def start(self, group: asyncio.TaskGroup, facts: Mapping[str, JsonValue]) -> None:
        """Start it, and give it a moment to write its files."""
        code = whole_code(_CODE, {**facts, "comm": f"tsv{self._world.nonce}"})
        name = f"victim-{self._world.nonce}.txt"
        self._task = group.create_task(
            self._runner.run(
                code,
                files={name: self._world.secret},
                limits=MODEST,
                policy=self._policy,
            )
        )
        await asyncio.sleep(0.5)

    async def finish(self) -> str:
        """What was done to it, in words; "" for nothing.

        Raises ToolError where it could not run at all.
        """
        if self._task is None:
            return ""
        async with asyncio.timeout(MODEST.seconds + 6):
            result = await self._task
        if f"@began {self._world.nonce}" not in result.stdout:
            raise ToolError("selftest_failed", f"the execution to attack never began: {result}")
        if f"@unhurt {self._world.nonce}" in result.stdout:
            return ""
        return f"another execution was hurt: {result.status} {result.reason}"
