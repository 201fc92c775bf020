"""What happened when an attack was tried on a runner."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError
from treadle.tools.sandbox.attacks.census import Census
from treadle.tools.sandbox.contract import SandboxLevel, SandboxResult

if TYPE_CHECKING:
    from treadle.tools.sandbox.attacks.attack import Attack


@dataclass(slots=True)
class Trial:
    """The results of the executions, and what the host has seen of them.

    level: the runner's. nonce: names this trial. secret: what must not come out. folder: where the
    host's targets are.
    later: the result of the innocent execution after it. error: what the runner raised on purpose;
    failure: how else the host's side broke. seconds: that the call took.
    peak, watched: what was seen while it ran. left: processes that were there after the call.
    evidence: what was done to the host's targets. victim: to another execution.
    """

    attack: Attack
    level: SandboxLevel
    nonce: str
    secret: str
    folder: Path
    result: SandboxResult | None = None
    later: SandboxResult | None = None
    error: TreadleError | None = None
    failure: str = ""
    seconds: float = 0.0
    peak: Census = field(default_factory=Census)
    watched: tuple[str, ...] = ()
    left: int = 0
    evidence: tuple[str, ...] = ()
    victim: str = ""
