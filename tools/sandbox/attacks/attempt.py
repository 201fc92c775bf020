"""Trying one attack on one runner, and looking at the host while it runs and afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from treadle.core.errors import TreadleError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.attacks import census
from treadle.tools.sandbox.attacks.attack import Attack
from treadle.tools.sandbox.attacks.prelude import whole_code
from treadle.tools.sandbox.attacks.trial import Trial
from treadle.tools.sandbox.attacks.victim import Victim
from treadle.tools.sandbox.attacks.watch import Watch
from treadle.tools.sandbox.attacks.world import World
from treadle.tools.sandbox.contract import CodeRunner, SandboxLevel, SandboxPolicy, SandboxResult

_LOOK_SECONDS = 0.05
_HEARING_SECONDS = 0.02
"""For what has arrived at the host's sockets to be read."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked: a runner, the level that it runs code at, and the host around it.

    grace: seconds that a call may take beyond its limit before it counts as hung.
    """

    runner: CodeRunner
    level: SandboxLevel
    world: World
    policy: SandboxPolicy | None = None
    grace: float = 6.0


async def attempt(attack: Attack, target: Target) -> Trial:
    """Try `attack` on `target`."""
    world = target.world
    facts = world.begin()
    trial = Trial(attack, target.level, world.nonce, world.secret, world.folder)
    async with asyncio.TaskGroup() as group:
        victim = Victim(target.runner, world, target.policy) if attack.victim else None
        watch = Watch(world, facts) if attack.watched else None
        try:
            if victim is not None:
                await victim.start(group, facts)
            if watch is not None:
                watch.start(group)
            await _executions(trial, target, facts)
        finally:
            if watch is not None:
                trial.peak, trial.watched = await watch.stop()
            trial.left = await _left(world.comm, attack.elusive)
            if victim is not None:
                trial.victim = await victim.finish()
            world.clean()
    await asyncio.sleep(_HEARING_SECONDS)
    trial.evidence = tuple(world.evidence())
    return trial


async def _executions(trial: Trial, target: Target, facts: Mapping[str, JsonValue]) -> None:
    attack = trial.attack
    started = time.monotonic()
    if attack.command is not None:
        command = [_filled(each, target.world) for each in attack.command]
        trial.result = await _call(trial, target, None, command)
    else:
        code = whole_code(attack.code, facts, ending=not attack.fails)
        trial.result = await _call(trial, target, code, None)
    trial.seconds = time.monotonic() - started
    if attack.then and trial.result is not None:
        code = whole_code(attack.then, facts, ending=not attack.fails)
        trial.later = await _call(trial, target, code, None, innocent=True)


async def _call(
    trial: Trial,
    target: Target,
    code: str | None,
    command: Sequence[str] | None,
    *,
    innocent: bool = False,
) -> SandboxResult | None:
    attack, world = trial.attack, target.world
    given = {} if innocent else {_filled(name, world): each for name, each in attack.files.items()}
    wanted = () if innocent else [_filled(each, world) for each in attack.results]
    try:
        async with asyncio.timeout(attack.limits.seconds + target.grace):
            return await target.runner.run(
                code,
                command=command,
                files=given,
                results=wanted,
                limits=attack.limits,
                policy=target.policy,
            )
    except TreadleError as error:
        trial.error = error
    except TimeoutError:
        trial.failure = f"the call hung for {target.grace:g} s more than it was given"
    except Exception as error:  # noqa: BLE001 - whatever an attack makes the host raise is a breach
        trial.failure = f"the host failed with {type(error).__name__}: {error}"
    return None


async def _left(name: str, elusive: bool) -> int:
    """How many processes called `name` stay; those that are just going get a moment."""
    seen: list[int] = []
    for _ in range(60 if elusive else 20):
        seen.append(len(census.living(name)))
        if not elusive and not seen[-1]:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return max(seen[10:], default=0) if elusive else seen[-1]


def _filled(text: str, world: World) -> str:
    return text.replace("{secret_file}", str(world.secret_file)).replace(
        "{markers}", str(world.markers)
    )
