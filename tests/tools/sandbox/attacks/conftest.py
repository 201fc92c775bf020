"""The sandbox that attacks are tried on: the strongest that this machine has."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest

from treadle.tools.sandbox.attacks.attempt import Target
from treadle.tools.sandbox.attacks.plain import plain_python
from treadle.tools.sandbox.attacks.selftest import level_of, unprotected
from treadle.tools.sandbox.attacks.world import World
from treadle.tools.sandbox.contract import SandboxLevel
from treadle.tools.sandbox.sandbox import Sandbox


@pytest.fixture(params=["cold", "warm"])
async def target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    """A sandbox with a host around it; strict where root has bubblewrap."""
    async with World(plain_python(None)) as world, Sandbox(warm=request.param == "warm") as sandbox:
        first = await sandbox.run("print('here')")
        if first.status == "refused":
            pytest.skip(f"NO SANDBOX on this machine, nothing is attacked: {first.reason}")
        level = await level_of(sandbox)
        if os.geteuid() == 0 and shutil.which("bwrap"):
            assert level is SandboxLevel.STRICT
        yield Target(sandbox, level, world)


@pytest.fixture
async def plain() -> AsyncIterator[Target]:
    """No sandbox at all, and an unprivileged user."""
    async with unprotected() as target:
        assert target is not None
        yield target
