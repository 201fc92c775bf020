"""How an engine's server reaches the scheduler in the engine's process: two utility calls.

vLLM's server calls methods of its engine core by name ("utility calls"), in the engine's thread,
between two steps. `install` gives the engine core two more of them; `EngineCalls` makes the calls.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from treadle.core.errors import TreadleError
from treadle.serving.vllm_plugin.control import ProgramControl
from treadle.serving.vllm_plugin.counters import ProgramCounters

END_PROGRAM = "treadle_end_program"
PROGRAM_COUNTERS = "treadle_program_counters"

_CORE = "vllm.v1.engine.core"


class EngineCallError(TreadleError):
    """The engine did not do what its server asked for.

    `engine_without_scheduler`: it runs with another scheduler; start it with `treadle engine`.
    `engine_silent`: no answer in time; it is in a long step, or stuck.
    `engine_failed`: it refused, or is gone.
    """


class UtilityCalls(Protocol):
    """What is used of vLLM's asynchronous client of its engine core."""

    async def call_utility_all_async(self, method: str, *arguments: object) -> list[object]:
        """Call `method` on every engine that this server manages."""
        ...


class _EngineCore(Protocol):
    scheduler: object


def install() -> None:
    """Add the calls to the engine core of this process; does nothing where there is none.

    Called by the scheduler when it is made: it knows that it runs, and the engine core, which has
    made it, is imported by then. An engine with another scheduler stays as it was.
    """
    core = sys.modules.get(_CORE)
    if core is None:
        return  # the scheduler is driven by something else, a simulator say
    for name, method in ((END_PROGRAM, _end_program), (PROGRAM_COUNTERS, _program_counters)):
        setattr(core.EngineCore, name, method)


def _end_program(engine: _EngineCore, program_id: str) -> int:
    return _control(engine).end_program(program_id)


def _program_counters(engine: _EngineCore) -> dict[str, int]:
    return _control(engine).program_counters().as_dict()


def _control(engine: _EngineCore) -> ProgramControl:
    if not isinstance(engine.scheduler, ProgramControl):
        raise TypeError(f"no attribute 'end_program': {type(engine.scheduler).__name__}")
    return engine.scheduler


class EngineCalls:
    """Asks every engine that a server manages; raises EngineCallError."""

    def __init__(self, core: UtilityCalls) -> None:
        self._core = core

    async def end_program(self, program_id: str, seconds: float) -> int:
        """End a program on every engine; returns how many blocks became free, 0 if unknown."""
        return sum(cast("int", each) for each in await self._ask(seconds, END_PROGRAM, program_id))

    async def counters(self, seconds: float) -> Sequence[ProgramCounters]:
        """The counts of each engine, in the order of their ranks."""
        answers = await self._ask(seconds, PROGRAM_COUNTERS)
        return [ProgramCounters(**cast("dict[str, int]", each)) for each in answers]

    async def _ask(self, seconds: float, method: str, *arguments: str) -> list[object]:
        try:
            async with asyncio.timeout(seconds):
                return await self._core.call_utility_all_async(method, *arguments)
        except TimeoutError:
            raise EngineCallError(
                "engine_silent", f"the engine did not answer within {seconds:g} s; ask again later"
            ) from None
        except Exception as error:
            raise _refused(error) from error


def _refused(error: Exception) -> EngineCallError:
    text = str(error).strip() or type(error).__name__
    if "no attribute" in text:
        return EngineCallError(
            "engine_without_scheduler",
            "the engine runs without Treadle's scheduler: start it with `treadle engine`, or with "
            "--scheduler-cls treadle.serving.vllm_plugin.ProgramScheduler",
        )
    return EngineCallError("engine_failed", f"the engine could not answer: {text}")
