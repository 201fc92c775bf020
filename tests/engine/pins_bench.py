# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Looking at pins on a bench: our scheduler's counters and policy, and what drives out the rest."""

from __future__ import annotations

from tests.engine.scheduler_harness import Bench, HoldingPolicy, call, text

from treadle.serving.vllm_plugin import ProgramControl, ProgramCounters


def counters(side: Bench) -> ProgramCounters:
    """Those of our scheduler."""
    control = side.scheduler
    assert isinstance(control, ProgramControl)
    return control.program_counters()


def policy(side: Bench) -> HoldingPolicy:
    """What our scheduler asks, where a test looks at what it was told."""
    found = side.scheduler.program_policy
    assert isinstance(found, HoldingPolicy)
    return found


def fill(side: Bench, tokens: int = 900, name: str = "filler") -> None:
    """A call of nobody's that takes most of the pool, so that what is not held is evicted."""
    side.add(call(name, text(len(name) + 77, tokens), output=2))
    side.run()
