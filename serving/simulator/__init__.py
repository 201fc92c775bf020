"""Scheduling policies on a simulated engine: agent programs in, completion times out."""

from __future__ import annotations

from treadle.serving.simulator.bounds import Bounds
from treadle.serving.simulator.experiment import Experiment, Workload, run_experiment
from treadle.serving.simulator.fast_engine import FastEngine
from treadle.serving.simulator.generator import generate_programs
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.policies import POLICIES, PolicyEntry, policy_named
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn
from treadle.serving.simulator.report import CompletionTimes, PolicyResult, Report
from treadle.serving.simulator.simulation import Load, Simulation, simulate
from treadle.serving.simulator.trace_file import read_trace, write_trace

__all__ = [
    "POLICIES",
    "AgentProgram",
    "Bounds",
    "CompletionTimes",
    "Experiment",
    "FastEngine",
    "Hardware",
    "Load",
    "PolicyEntry",
    "PolicyResult",
    "Report",
    "Simulation",
    "ToolRun",
    "Turn",
    "Workload",
    "generate_programs",
    "policy_named",
    "read_trace",
    "run_experiment",
    "simulate",
    "write_trace",
]
