"""What a server may ask of the scheduler between requests."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from treadle.serving.vllm_plugin.counters import ProgramCounters


@runtime_checkable
class ProgramControl(Protocol):
    """The scheduler as its server sees it; `ProgramScheduler` is one.

    To be called in the engine's own thread (an engine utility call runs there). Both are cheap:
    they touch the holds of one program, or add up numbers.
    """

    def end_program(self, program_id: str) -> int:
        """The program is over: let go of all it holds; returns how many blocks became free.

        Calls of it that still run go on, and are not held when they finish. A program that is not
        known has nothing to let go: 0. So has a `program_id` that is no program's id at all.
        """
        ...

    def program_counters(self) -> ProgramCounters:
        """The counts so far; holds that have run out by now are let go first."""
        ...
