"""Policies of others, rebuilt from their papers, to measure ours against."""

from __future__ import annotations

from treadle.serving.simulator.baselines.autellix import AutellixPolicy
from treadle.serving.simulator.baselines.continuum import ContinuumPolicy
from treadle.serving.simulator.baselines.continuum_preview import ContinuumPreviewPolicy
from treadle.serving.simulator.baselines.infercept import InferceptPolicy
from treadle.serving.simulator.baselines.thunderagent import ThunderAgentPolicy

__all__ = [
    "AutellixPolicy",
    "ContinuumPolicy",
    "ContinuumPreviewPolicy",
    "InferceptPolicy",
    "ThunderAgentPolicy",
]
