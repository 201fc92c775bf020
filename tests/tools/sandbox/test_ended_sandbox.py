"""A sandbox after the end of its block."""

import pytest

from treadle.core.errors import ToolError
from treadle.tools.sandbox import Sandbox


async def test_what_comes_after_the_block_is_refused() -> None:
    async with Sandbox() as sandbox:
        pass
    result = await sandbox.run("1")
    assert (result.status, result.exit_code) == ("refused", None)
    assert result.reason.startswith("sandbox_closed: ")
    with pytest.raises(ToolError) as raised:
        async with sandbox.session("python"):
            pass
    assert raised.value.code == "sandbox_closed"


async def test_a_block_within_a_block_ends_nothing() -> None:
    sandbox = Sandbox()
    async with sandbox:
        async with sandbox:
            pass
        assert (await sandbox.run("6 * 7")).value == 42
    assert (await sandbox.run("1")).status == "refused"


async def test_a_new_block_begins_anew() -> None:
    sandbox = Sandbox()
    for _ in range(2):
        async with sandbox:
            assert (await sandbox.run("6 * 7")).value == 42


async def test_without_a_block_it_is_closed_and_used_again() -> None:
    sandbox = Sandbox()
    for _ in range(2):
        assert (await sandbox.run("6 * 7")).value == 42
        await sandbox.close()
