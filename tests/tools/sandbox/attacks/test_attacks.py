"""Every attack is held, cold and warm, at the strongest level that this machine has."""

from __future__ import annotations

import pytest

from treadle.tools.sandbox.attacks import Attack, Verdict, attacks
from treadle.tools.sandbox.attacks.attempt import Target, attempt
from treadle.tools.sandbox.attacks.judge import verdict_of


@pytest.mark.parametrize("attack", attacks(), ids=lambda each: each.name)
async def test_it_is_held(attack: Attack, target: Target) -> None:
    verdict, detail = verdict_of(await attempt(attack, target))
    if verdict is Verdict.BREACHED and target.level.rank < attack.promised.rank:
        pytest.skip(f"the level {target.level} does not promise it: {detail}")
    assert verdict is Verdict.HELD, detail


@pytest.mark.parametrize(
    "attack", [each for each in attacks() if not each.no_control], ids=lambda each: each.name
)
async def test_it_succeeds_without_a_sandbox(attack: Attack, plain: Target) -> None:
    trial = await attempt(attack, plain)
    verdict, detail = verdict_of(trial)
    if verdict is Verdict.HELD and attack.varies:
        pytest.skip(f"this machine forbids '{attack.name}' even without a sandbox")
    assert verdict is Verdict.BREACHED, (detail, trial.result)
