"""The plugin for vLLM: `--scheduler-cls treadle.serving.vllm_plugin.ProgramScheduler`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names
from treadle.serving.vllm_plugin.control import ProgramControl
from treadle.serving.vllm_plugin.counters import GAUGES, ProgramCounters

if TYPE_CHECKING:
    from treadle.serving.vllm_plugin.scheduler import ProgramScheduler

__all__ = ["GAUGES", "ProgramControl", "ProgramCounters", "ProgramScheduler"]

# vLLM is imported only where its scheduler is asked for; it takes many seconds.
__getattr__, __dir__ = lazy_names(__name__, {"scheduler": ("ProgramScheduler",)})
