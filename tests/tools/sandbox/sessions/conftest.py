"""Sessions behind the boundary of this machine."""

import contextlib

import pytest

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundaries import strongest_boundary
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxPolicy
from treadle.tools.sandbox.sessions import open_session


@pytest.fixture(scope="session")
def boundary():
    try:
        return strongest_boundary(SandboxPolicy(min_level=SandboxLevel.USER))
    except ToolError as error:
        pytest.skip(f"NO SESSIONS WITH A FULL BOUNDARY ON THIS MACHINE: {error.message}")


@pytest.fixture
async def open_(boundary):
    """Opens sessions that are closed after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(kind, **options):
            options.setdefault("limits", SandboxLimits(seconds=10.0))
            return await stack.enter_async_context(await open_session(kind, boundary, **options))

        yield opened
