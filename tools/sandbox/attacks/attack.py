"""An attack: code that tries to get out, and how the host sees that it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits

if TYPE_CHECKING:
    from treadle.tools.sandbox.attacks.trial import Trial

MEBIBYTE = 1024 * 1024

MODEST = SandboxLimits(
    seconds=8.0,
    cpu_seconds=8.0,
    memory_bytes=256 * MEBIBYTE,
    processes=32,
    disk_bytes=16 * MEBIBYTE,
    file_bytes=8 * MEBIBYTE,
    output_bytes=64 * 1024,
    open_files=64,
    result_files=16,
    result_bytes=4 * MEBIBYTE,
)
"""Bounds low enough that an attack which goes past them harms no machine."""


def nothing_more(trial: Trial) -> str:
    """What most attacks need beside the evidence that every trial is judged by."""
    return ""


@dataclass(frozen=True, slots=True)
class Attack:
    """One way out of a sandbox.

    aim: what is tried, in words.
    code: Python, which finds `W` (facts about the host) and the functions of the prelude.
    then: code of a second execution, an innocent one, that tells what the first did to it.
    command: run in place of `code`. files, results, limits: of the first execution.
    breached: what this attack did, in words, beside what every trial is judged by; "" for nothing.
    promised: the weakest level that claims to withstand it.
    no_control: why it is not shown to work without a sandbox; "" where it is shown.
    victim: whether another execution runs meanwhile, holding a secret.
    watched: whether the host looks at the processes while it runs.
    may_refuse: whether refusing to start is an answer.
    varies: whether there are machines that forbid it without a sandbox, too.
    elusive: whether what it leaves behind is so quick that it has to be looked for many times.
    silenced: whether what it hits may take its own words along.
    fails: whether the code ends with an error of its own.
    linux: whether it is about Linux.
    """

    name: str
    group: str
    aim: str
    code: str = ""
    then: str = ""
    command: Sequence[str] | None = None
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    results: Sequence[str] = ()
    limits: SandboxLimits = MODEST
    breached: Callable[[Trial], str] = nothing_more
    promised: SandboxLevel = SandboxLevel.CONFINED
    no_control: str = ""
    victim: bool = False
    watched: bool = False
    may_refuse: bool = False
    varies: bool = False
    elusive: bool = False
    silenced: bool = False
    fails: bool = False
    linux: bool = True
