"""Attacks on a sandbox that anybody can run: what they try, and what they leave behind as proof."""

from treadle.tools.sandbox.attacks.attack import Attack
from treadle.tools.sandbox.attacks.catalogue import attacks, bridge_attacks
from treadle.tools.sandbox.attacks.report import AttackReport, SelftestReport, Verdict
from treadle.tools.sandbox.attacks.selftest import run_selftest

__all__ = [
    "Attack",
    "AttackReport",
    "SelftestReport",
    "Verdict",
    "attacks",
    "bridge_attacks",
    "run_selftest",
]
