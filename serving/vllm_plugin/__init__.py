"""The plugin for vLLM: `--scheduler-cls treadle.serving.vllm_plugin.ProgramScheduler`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from treadle.serving.vllm_plugin.control import ProgramControl
from treadle.serving.vllm_plugin.counters import GAUGES, ProgramCounters

if TYPE_CHECKING:
    from treadle.serving.vllm_plugin.scheduler import ProgramScheduler

__all__ = ["GAUGES", "ProgramControl", "ProgramCounters", "ProgramScheduler"]


def __getattr__(name: str) -> object:
    # vLLM is imported only where its scheduler is asked for; it takes many seconds.
    if name != "ProgramScheduler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = import_module(f"{__name__}.scheduler").ProgramScheduler
    return value
