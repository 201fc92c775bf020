"""What the machine that the tests run on has, and what is done where it has not."""

import os

import pytest

from treadle.tools.sandbox import SandboxLevel
from treadle.tools.sandbox.execution import LaunchingBoundary
from treadle.tools.sandbox.levels.catalogue import boundary_of
from treadle.tools.sandbox.probing import probe


def need(level: SandboxLevel) -> LaunchingBoundary:
    """The boundary of `level`; skips the test, or fails it in CI, where that does not work."""
    report = next(each for each in probe().levels if each.level is level)
    if not report.works:
        lacking(f"the level {level} does not work here: {report.reason}")
    return boundary_of(level)


def need_root() -> None:
    """Skips the test, or fails it in CI, for an ordinary user."""
    if os.geteuid() != 0:
        lacking("only root can do this")


def lacking(reason: str) -> None:
    if os.environ.get("TREADLE_REQUIRE_SANDBOX"):
        pytest.fail(reason)
    pytest.skip(reason)
