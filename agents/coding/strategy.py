"""How much is done for one task; the caller's choice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from treadle.agents.coding.loop import LoopLimits
from treadle.core.errors import ConfigError

MOST_CANDIDATES = 32


@dataclass(frozen=True, slots=True)
class Strategy:
    """What is done beside the loop of writing, running and repairing.

    candidates: programs that are worked on at once, each in a loop of its own; the best is chosen.
    simulate: whether a plan is made first, and tried by hand on the examples.
    generated_tests: how many tests the model makes up; 0 for none.
    trace: whether a failing call is traced, and the model asked which block is wrong.
    clarify: whether inputs are looked for on which candidates differ.
    parallel: loops that go on at once.

    Raises ConfigError (`bad_strategy`).
    """

    candidates: int = 1
    simulate: bool = False
    generated_tests: int = 0
    trace: bool = False
    clarify: bool = False
    parallel: int = 4
    loop: LoopLimits = field(default_factory=LoopLimits)

    def __post_init__(self) -> None:
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise ConfigError(
                "bad_strategy", f"{self.candidates} candidates; give 1 to {MOST_CANDIDATES}"
            )
        limits = (self.parallel, self.loop.attempts, self.loop.turns)
        if min(limits) < 1 or self.generated_tests < 0 or self.loop.actions < 0:
            raise ConfigError("bad_strategy", "a strategy's limits are numbers above 0")

    @classmethod
    def named(cls, name: str, *, candidates: int | None = None) -> Strategy:
        """The preset `name`: "quick" or "thorough". Raises ConfigError (`bad_strategy`)."""
        found = PRESETS.get(name)
        if found is None:
            raise ConfigError("bad_strategy", f"'{name}' is none of {', '.join(PRESETS)}")
        return found if candidates is None else replace(found, candidates=candidates)


QUICK = Strategy()
"""The loop alone."""

THOROUGH = Strategy(candidates=3, simulate=True, generated_tests=8, trace=True, clarify=True)
"""Everything."""

PRESETS = {"quick": QUICK, "thorough": THOROUGH}
