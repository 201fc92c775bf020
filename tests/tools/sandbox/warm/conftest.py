"""The boundary of this machine, where it has one for warm workers."""

import pytest

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundaries import strongest_boundary
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxPolicy
from treadle.tools.sandbox.warm import WarmPool


@pytest.fixture(scope="session")
def boundary():
    try:
        return strongest_boundary(SandboxPolicy(min_level=SandboxLevel.USER))
    except ToolError as error:
        pytest.skip(f"NO WARM WORKERS ON THIS MACHINE: {error.message}")


@pytest.fixture
async def pool(boundary):
    made = WarmPool(boundary, size=2)
    yield made
    await made.close()


@pytest.fixture
def brief():
    return SandboxLimits(seconds=2.0)
