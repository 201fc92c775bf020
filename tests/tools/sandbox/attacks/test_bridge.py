"""Attacks on the bridge to the tools are held, and a bridge that lets things through is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treadle.tools.sandbox.attacks import Verdict, bridge_attacks
from treadle.tools.sandbox.attacks.bridge import CALLS, BridgeAttack, BridgeTrial, try_bridge
from treadle.tools.sandbox.attacks.plain import plain_python
from treadle.tools.sandbox.attacks.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(plain_python(None)) as made:
        yield made


@pytest.mark.parametrize("attack", bridge_attacks(), ids=lambda each: each.name)
async def test_it_is_held(attack: BridgeAttack, world: World) -> None:
    pytest.importorskip("pydantic_monty", reason="code mode is not installed")
    report = await try_bridge(attack, world)
    assert report.verdict is Verdict.HELD, report.detail


async def test_the_host_sees_every_call_that_a_snippet_makes(world: World) -> None:
    pytest.importorskip("pydantic_monty", reason="code mode is not installed")
    seen: list[BridgeTrial] = []

    def look(trial: BridgeTrial) -> str:
        seen.append(trial)
        return "as it was told"

    flood = f"for n in range({CALLS}):\n    await bridge_add(n, 1)\n'SECRET_FILE'"
    report = await try_bridge(BridgeAttack("sample", "a sample", flood, breached=look), world)
    assert report.verdict is Verdict.BREACHED
    assert report.detail == "as it was told"
    assert seen[0].host.called == ["bridge_add"] * (CALLS + 1)
    assert seen[0].outcome is not None
    assert seen[0].outcome.value == str(world.secret_file)


async def test_a_secret_in_a_snippet_s_output_is_a_breach(world: World) -> None:
    pytest.importorskip("pydantic_monty", reason="code mode is not installed")
    attack = BridgeAttack("sample", "a sample", f"print({world.secret!r})")
    report = await try_bridge(attack, world)
    assert report.verdict is Verdict.BREACHED
    assert world.secret not in report.detail


async def test_code_mode_that_does_not_start_here_is_no_breach(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("pydantic_monty", reason="code mode is not installed")
    monkeypatch.setenv("MONTY_BIN", str(tmp_path / "missing"))
    report = await try_bridge(bridge_attacks()[0], world)
    assert report.verdict is Verdict.NOT_APPLICABLE
    assert "the interpreter does not start" in report.detail
