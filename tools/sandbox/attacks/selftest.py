"""The self-test: all attacks on a runner, each shown to work without one where that is safe."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.sandbox.attacks.attack import MODEST, Attack
from treadle.tools.sandbox.attacks.attempt import Target, attempt
from treadle.tools.sandbox.attacks.bridge import try_bridge
from treadle.tools.sandbox.attacks.catalogue import attacks, bridge_attacks
from treadle.tools.sandbox.attacks.judge import verdict_of
from treadle.tools.sandbox.attacks.plain import PlainRunner, plain_python, plain_user
from treadle.tools.sandbox.attacks.report import AttackReport, SelftestReport, Verdict, printable
from treadle.tools.sandbox.attacks.world import World
from treadle.tools.sandbox.contract import CodeRunner, SandboxLevel, SandboxPolicy


async def run_selftest(
    runner: CodeRunner,
    *,
    only: Sequence[str] | None = None,
    control: bool = True,
    policy: SandboxPolicy | None = None,
    heard: Callable[[AttackReport], None] | None = None,
) -> SelftestReport:
    """Try every attack on `runner`, one after the other, and tell what came of each.

    only: names of attacks or of groups. control: whether attacks are shown to succeed without a
    sandbox, in a process of an unprivileged user, where that harms nothing. heard: called with
    each report as it comes.

    Raises InputError (`unknown_attack`) and ToolError (`selftest_failed`: the runner runs nothing,
    or has no boundary; `selftest_no_python`; and what the runner raises).
    """
    chosen, snippets = attacks(only), bridge_attacks(only)
    reports = []
    python = plain_python(None)
    async with World(python) as world, unprotected(control) as plain:
        # After the targets are there: what the runner starts now could inherit them.
        level = await level_of(runner, policy)
        target = Target(runner, level, world, policy)
        for attack in chosen:
            report = await _report(attack, target)
            if plain is not None:
                report = await _with_control(report, attack, plain)
            reports.append(report)
            if heard is not None:
                heard(report)
        for snippet in snippets:
            reports.append(await try_bridge(snippet, world))
            if heard is not None:
                heard(reports[-1])
    return SelftestReport(level, tuple(reports))


async def level_of(runner: CodeRunner, policy: SandboxPolicy | None = None) -> SandboxLevel:
    """The level that `runner` runs code at.

    Raises ToolError (`selftest_failed`) where it runs none, or without any boundary.
    """
    first = await runner.run("print(6 * 7)", limits=MODEST, policy=policy)
    if first.status != "ok" or first.stdout.strip() != "42":
        raise ToolError(
            "selftest_failed",
            f"the sandbox does not even run `print`: {first.status} {first.reason} "
            f"{printable(first.stderr)}",
        )
    if first.level is SandboxLevel.UNSAFE:
        raise ToolError(
            "selftest_failed",
            "the level 'unsafe' is no boundary; attacks on it would hit this machine",
        )
    return first.level


@contextlib.asynccontextmanager
async def unprotected(wanted: bool = True) -> AsyncIterator[Target | None]:
    """What attacks are shown to succeed on: no sandbox, an unprivileged user; or nothing."""
    if not wanted:
        yield None
        return
    user = plain_user()
    python = plain_python(user)
    folder = _throw_away_folder()
    try:
        async with World(python, user) as world:
            yield Target(PlainRunner(folder, python, user), SandboxLevel.UNSAFE, world)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _throw_away_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="treadle-selftest-plain-"))
    folder.chmod(0o711)
    return folder


async def _report(attack: Attack, target: Target) -> AttackReport:
    if attack.linux and sys.platform != "linux":
        return _told(attack, Verdict.NOT_APPLICABLE, "it is about Linux", 0.0)
    trial = await attempt(attack, target)
    verdict, detail = verdict_of(trial)
    if verdict is Verdict.BREACHED and target.level.rank < attack.promised.rank:
        detail = f"the level '{target.level}' does not promise it: {detail}"
        verdict = Verdict.NOT_APPLICABLE
    return _told(attack, verdict, detail, trial.seconds)


async def _with_control(report: AttackReport, attack: Attack, plain: Target) -> AttackReport:
    if attack.no_control or (attack.linux and sys.platform != "linux"):
        control, detail = "skipped", attack.no_control or "it is about Linux"
    else:
        verdict, detail = verdict_of(await attempt(attack, plain))
        control = "succeeded" if verdict is Verdict.BREACHED else "failed"
    return replace(report, control=control, control_detail=detail)


def _told(attack: Attack, verdict: Verdict, detail: str, seconds: float) -> AttackReport:
    return AttackReport(attack.name, attack.group, attack.aim, verdict, detail, seconds)
