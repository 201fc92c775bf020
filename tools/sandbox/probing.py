"""What this machine can do: each level is tried with a real, tiny execution."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from treadle.core.errors import ToolError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxResult
from treadle.tools.sandbox.execution import Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.catalogue import boundary_of, bounds_of, runner_of
from treadle.tools.sandbox.levels.look_around import LOOK_AROUND, breach, seen_inside

PROBE_LIMITS = SandboxLimits(seconds=10.0, cpu_seconds=5.0, processes=16)


@dataclass(frozen=True, slots=True)
class LevelReport:
    """What came of trying one level.

    works: whether an execution at it went as it has to. reason: why not, in words. bounded,
    unbounded: what it keeps in and what it does not, in words.
    """

    level: SandboxLevel
    works: bool
    reason: str = ""
    bounded: tuple[str, ...] = ()
    unbounded: tuple[str, ...] = ()

    def as_json(self) -> dict[str, JsonValue]:
        """For `treadle sandbox probe --json`."""
        return {
            "level": self.level.value,
            "works": self.works,
            "reason": self.reason,
            "bounded": list(self.bounded),
            "unbounded": list(self.unbounded),
        }


@dataclass(frozen=True, slots=True)
class SandboxProbe:
    """The levels of this machine, the strongest first; `unsafe` is never among them."""

    levels: tuple[LevelReport, ...]

    @property
    def strongest(self) -> LevelReport | None:
        """The strongest one that works."""
        return next((each for each in self.levels if each.works), None)

    def as_json(self) -> dict[str, JsonValue]:
        """For `treadle sandbox probe --json`."""
        best = self.strongest
        return {
            "level": None if best is None else best.level.value,
            "bounded": [] if best is None else list(best.bounded),
            "unbounded": [] if best is None else list(best.unbounded),
            "levels": [each.as_json() for each in self.levels],
        }


_lock = threading.Lock()
_tried: dict[tuple[int, int, SandboxLevel], LevelReport] = {}


def probe(*, again: bool = False) -> SandboxProbe:
    """Try every level; once in a process, and again where asked to. Takes up to some seconds."""
    return SandboxProbe(tuple(_report_for_now(level, again) for level in _levels()))


async def probe_async(*, again: bool = False) -> SandboxProbe:
    """The same for callers that have an event loop, which goes on meanwhile."""
    return await asyncio.to_thread(probe, again=again)


def probe_strongest(min_level: SandboxLevel) -> SandboxProbe:
    """Try levels from the strongest down to `min_level`, and stop at the first that works."""
    reports: list[LevelReport] = []
    for level in _levels():
        if level.rank < min_level.rank:
            break
        reports.append(_report(level, False))
        if reports[-1].works:
            break
    return SandboxProbe(tuple(reports))


async def probe_strongest_async(min_level: SandboxLevel) -> SandboxProbe:
    """The same for callers that have an event loop; at once where it is known."""
    known = []
    for level in _levels():
        report = _tried.get(_key(level))
        if report is None or level.rank < min_level.rank:
            break
        known.append(report)
        if report.works:
            return SandboxProbe(tuple(known))
    return await asyncio.to_thread(probe_strongest, min_level)


def _levels() -> list[SandboxLevel]:
    return [each for each in reversed(SandboxLevel) if each is not SandboxLevel.UNSAFE]


def _key(level: SandboxLevel) -> tuple[int, int, SandboxLevel]:
    # Another uid, or a child after a fork, may have less to work with.
    return (os.getpid(), os.geteuid(), level)


def _report_for_now(level: SandboxLevel, again: bool) -> LevelReport:
    """The same, also where it could not be tried just now; that is not remembered."""
    try:
        return _report(level, again)
    except ToolError as error:
        return LevelReport(level, False, error.message)


def _report(level: SandboxLevel, again: bool) -> LevelReport:
    with _lock:
        key = _key(level)
        if again or key not in _tried:
            # In a thread of its own: the caller's may have an event loop that runs.
            with ThreadPoolExecutor(1, thread_name_prefix="sandbox-probe") as threads:
                _tried[key] = threads.submit(asyncio.run, try_level(level)).result()
        return _tried[key]


async def try_level(level: SandboxLevel) -> LevelReport:
    """Run something at one level, and look from inside whether it holds.

    Raises ToolError (`sandbox_busy`, retryable) where the machine is too busy to say: that is no
    reason to go on with a weaker level.
    """
    try:
        runner = runner_of(level)
        result = await runner.run(Job(LOOK_AROUND, None, {}, WantedFiles(()), PROBE_LIMITS))
    except TreadleError as error:
        if isinstance(error, ToolError) and error.retryable:
            raise
        if error.code == "sandbox_failed" and _gave_up_range(level, error.message):
            return await try_level(level)
        return LevelReport(level, False, error.message)
    if result.status == "timeout":
        raise ToolError(
            "sandbox_busy", f"the trial of level {level} took too long; try again", retryable=True
        )
    wrong = _wrong(level, result)
    if wrong is not None:
        if _gave_up_range(level, wrong):
            return await try_level(level)
        return LevelReport(level, False, wrong)
    version = seen_inside(result).get("landlock")
    bounded, unbounded = bounds_of(level, version if isinstance(version, int) else 0)
    return LevelReport(level, True, "", bounded, unbounded)


def _gave_up_range(level: SandboxLevel, why: str) -> bool:
    """Whether an ordinary user's level may work without subordinate ids, which are used no more."""
    return level is SandboxLevel.USER and boundary_of(level).warden.give_up_range(why)


def _wrong(level: SandboxLevel, result: SandboxResult) -> str | None:
    if result.status != "ok":
        lines = result.stderr.strip().splitlines()
        words = ascii(lines[-1][:150]) if lines else ""
        return f"a trial ended with {result.status}: {result.reason} {words}".strip()
    return breach(level, result)
