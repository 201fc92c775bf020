# pyright: reportMissingImports=false
"""One step of the engine, between its scheduling and its end."""

from __future__ import annotations

from dataclasses import dataclass

from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.outputs import ModelRunnerOutput

from treadle.serving.simulator.hardware import Hardware


@dataclass(slots=True)
class Work:
    """What a step computes, in tokens.

    attended: pairs of a prefilled token and a token before it.
    read: KV read.
    """

    decoded: int = 0
    prefilled: int = 0
    attended: float = 0.0
    read: float = 0.0

    def add_decode(self, computed: int) -> None:
        """One token after `computed`."""
        self.decoded += 1
        self.read += computed

    def add_chunk(self, size: int, computed: int) -> None:
        """`size` tokens of a prompt after `computed`."""
        self.prefilled += size
        self.attended += size * (computed + size / 2)
        self.read += computed

    def seconds(self, hardware: Hardware) -> float:
        """How long it takes."""
        return hardware.step_seconds(self.decoded + self.prefilled, self.attended, self.read)


@dataclass(frozen=True, slots=True)
class Batch:
    """A step that was scheduled, and what will come out of it."""

    scheduled: SchedulerOutput
    output: ModelRunnerOutput
    work: Work
