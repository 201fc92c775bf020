"""Attacks on the bridge by which a snippet calls tools: what they try, and how it is judged."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.decorator import tool
from treadle.tools.sandbox.attacks.report import AttackReport, Verdict, printable
from treadle.tools.sandbox.attacks.world import World

if TYPE_CHECKING:
    from treadle.tools.codemode import CodeMode, SnippetOutcome

SECONDS = 4.0
CALLS = 20
PARALLEL_CALLS = 3
OUTPUT_BYTES = 4096


@tool(name="bridge_add", effect="pure")
async def _add(a: int, b: int = 2) -> int:
    """Add two numbers: the tool that snippets are granted."""
    return a + b


@dataclass(slots=True)
class ToolHost:
    """Where calls arrive: it counts them, and has a tool that nobody was granted."""

    called: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
        """Answer one call."""
        self.called.append(name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.001)
            return await _add.call(arguments) if name == _add.name else "forbidden fruit"
        finally:
            self.at_once -= 1


@dataclass(slots=True)
class BridgeTrial:
    """What came of one snippet, and of the innocent one after it."""

    host: ToolHost
    seconds: float = 0.0
    outcome: SnippetOutcome | None = None
    later: SnippetOutcome | None = None
    failure: str = ""
    absent: str = ""
    """Why there is no code mode to attack."""

    @property
    def text(self) -> str:
        """Everything that came out."""
        made = [each for each in (self.outcome, self.later) if each is not None]
        return " ".join(f"{each.printed} {json.dumps(each.value)} {each.error}" for each in made)


@dataclass(frozen=True, slots=True)
class BridgeAttack:
    """A snippet that wants more of the bridge than it was given.

    code: `SECRET_FILE` in it becomes the path of the host's secret. then: a second snippet.
    breached: in words, beside what every snippet is judged by; "" for nothing.
    """

    name: str
    aim: str
    code: str
    then: str = ""
    breached: Callable[[BridgeTrial], str] = lambda _trial: ""
    group: str = "bridge"


async def try_bridge(attack: BridgeAttack, world: World) -> AttackReport:
    """Run the snippet in code mode, and judge it."""
    if importlib.util.find_spec("pydantic_monty") is None:
        reason = "code mode is not installed (pydantic-monty)"
        return AttackReport(
            attack.name, attack.group, attack.aim, Verdict.NOT_APPLICABLE, reason, 0.0
        )
    world.begin()
    trial = await _tried(attack, world)
    if trial.absent:
        return AttackReport(
            attack.name, attack.group, attack.aim, Verdict.NOT_APPLICABLE, trial.absent, 0.0
        )
    breaches = _breaches(attack, trial, world)
    return AttackReport(
        attack.name,
        attack.group,
        attack.aim,
        Verdict.BREACHED if breaches else Verdict.HELD,
        "; ".join(map(printable, breaches)),
        trial.seconds,
        "skipped",
        "without a bridge there are no tools to call",
    )


async def _tried(attack: BridgeAttack, world: World) -> BridgeTrial:
    from treadle.tools.codemode import CodeMode, CodeModeLimits, stubs_of

    trial = BridgeTrial(ToolHost())
    limits = CodeModeLimits(
        seconds=SECONDS,
        compute_seconds=0.5,
        memory_bytes=8 * 1024 * 1024,
        calls=CALLS,
        parallel_calls=PARALLEL_CALLS,
        output_bytes=OUTPUT_BYTES,
        result_characters=10_000,
    )
    async with CodeMode(stubs_of([_add]), trial.host, limits=limits, workers=1) as mode:
        started = time.monotonic()
        trial.outcome = await _outcome(trial, mode, attack.code, world)
        trial.seconds = time.monotonic() - started
        calls = len(trial.host.called)
        trial.later = await _outcome(trial, mode, attack.then or "await bridge_add(1, 2)", world)
        if len(trial.host.called) > calls + 1:
            trial.failure = "calls went on after the snippet had ended"
    return trial


async def _outcome(
    trial: BridgeTrial, mode: CodeMode, code: str, world: World
) -> SnippetOutcome | None:
    try:
        async with asyncio.timeout(SECONDS + 6):
            return await mode.run(code.replace("SECRET_FILE", str(world.secret_file)))
    except TimeoutError:
        trial.failure = "the call hung"
    except ToolError as error:
        if error.code == "code_mode_failed" and not trial.host.called and trial.outcome is None:
            trial.absent = printable(error.message)
        else:
            trial.failure = f"the host failed with {error}"
    except Exception as error:  # noqa: BLE001 - whatever an attack makes the host raise is a breach
        trial.failure = f"the host failed with {type(error).__name__}: {error}"
    return None


def _breaches(attack: BridgeAttack, trial: BridgeTrial, world: World) -> list[str]:
    seen = world.evidence()
    if foreign := {name for name in trial.host.called if name != _add.name}:
        seen.append(f"it called what it was not granted: {sorted(foreign)}")
    if len(trial.host.called) > CALLS + 1:
        seen.append(f"{len(trial.host.called)} calls were made where {CALLS} are the limit")
    if trial.host.most_at_once > PARALLEL_CALLS:
        seen.append(f"{trial.host.most_at_once} calls at once where {PARALLEL_CALLS} are the limit")
    if world.secret in trial.text:
        seen.append("the host's secret came out")
    if trial.seconds > SECONDS + 2:
        seen.append(f"it took {trial.seconds:.1f} s where {SECONDS:g} are the limit")
    if trial.outcome is not None and len(trial.outcome.printed) > OUTPUT_BYTES:
        seen.append(f"it printed {len(trial.outcome.printed)} characters")
    if not attack.then and (trial.later is None or trial.later.value != 3):
        seen.append(f"an innocent snippet after it failed: {trial.later and trial.later.error}")
    if trial.failure:
        seen.append(trial.failure)
    if more := attack.breached(trial):
        seen.append(more)
    return seen
