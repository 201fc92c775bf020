"""InferCept: KV is kept as long as keeping it wastes less memory than computing it again."""

from __future__ import annotations

import math

from treadle.serving.policy.contract import Call, Outcome, Pool
from treadle.serving.simulator.baselines.costs import prefill_seconds
from treadle.serving.simulator.baselines.pinned_programs import PinnedPrograms
from treadle.serving.simulator.hardware import Hardware


class InferceptPolicy(PinnedPrograms):
    """Preserves, discards or swaps, whichever wastes the least memory over time.

    After InferCept (arXiv 2402.01869, sections 3.2 and 4): preserving a context of C tokens for
    T seconds wastes T C, discarding it wastes t (C / 2 + C_other), t being the time to compute it
    again (in chunks, so that it takes its room little by little) and C_other what the running
    calls hold meanwhile. T is not known and taken to be as long again as it has lasted
    (section 4.4), so a context is preserved until what that wasted reaches what discarding
    would: t (C / 2 + C_other) / C. With a CPU tier, swapping wastes C over the time to load it,
    for transfers are hidden behind computation. Calls are served in the order in which their
    programs came, those with preserved KV first.

    Where ours may differ from the authors' code: theirs decides anew in every iteration, with the
    C_other of that moment; ours when the call ends. Theirs swaps within a budget of tokens an
    iteration; here the engine writes everything to the CPU tier and loads at its link's rate.
    """

    name = "infercept"

    def __init__(self, hardware: Hardware) -> None:
        super().__init__()
        self._hardware = hardware

    def pin_seconds(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        context = outcome.context_tokens
        again = prefill_seconds(self._hardware, context)
        discard = again * (context / 2 + pool.running)
        rate = self._hardware.reload_rate
        swap = math.inf if rate is None else context / rate * context
        return min(discard, swap) / context
