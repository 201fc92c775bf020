"""What a policy remembers of the programs that an engine serves."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from treadle.serving.policy.contract import ToolUse


@dataclass(slots=True, eq=False)
class Branch:
    """One branch of a program: what it last did.

    held_until: until when its KV is held, as far as is known; minus infinity for not at all.
    resident: whether the call that waits now came back to KV that is held.
    called, paused: when its last call arrived, and ended.
    chance, judged_at: that it is back in time, as it was worked out last, and when that was.
    fetched: when what it had lost was brought back last, while it was away.
    """

    tokens: int = 0
    held_until: float = -math.inf
    resident: bool = False
    called: float = 0.0
    paused: float = 0.0
    tools: tuple[ToolUse, ...] = ()
    chance: float = 0.0
    judged_at: float = -math.inf
    fetched: float = -math.inf

    def lose(self) -> None:
        """Its KV is no longer held."""
        self.held_until = -math.inf
        self.resident = False


@dataclass(slots=True)
class ProgramRecord:
    """A program, since its first call arrived."""

    arrived: float
    calls: int = 0
    branches: dict[str, Branch] = field(default_factory=dict)


class ProgramTable:
    """The programs that are under way; bounded, those not seen for longest are forgotten first."""

    MOST = 20_000
    MOST_BRANCHES = 1_000

    def __init__(self) -> None:
        self._programs: OrderedDict[str, ProgramRecord] = OrderedDict()

    def get(self, program_id: str) -> ProgramRecord | None:
        """What is known of a program; None for nothing."""
        return self._programs.get(program_id)

    def seen(self, program_id: str, now: float) -> ProgramRecord:
        """A call of the program arrived."""
        record = self._programs.get(program_id)
        if record is None:
            record = self._programs[program_id] = ProgramRecord(now)
            if len(self._programs) > self.MOST:
                self._programs.popitem(last=False)
        self._programs.move_to_end(program_id)
        return record

    def branch(self, program_id: str, branch: str) -> Branch | None:
        """What is known of a branch; None for nothing."""
        record = self._programs.get(program_id)
        return None if record is None else record.branches.get(branch)

    def remove(self, program_id: str) -> ProgramRecord | None:
        """The program is over."""
        return self._programs.pop(program_id, None)
