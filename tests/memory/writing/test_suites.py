"""The measured suites, smaller: a world told out of order, and a talk in which all comes back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from treadle.memory.store import Store
from treadle.testing import FakeClock

FOLDER = Path(__file__).parents[3] / "benchmarks" / "memory"


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(120)  # hundreds of statements, on a machine that may be busy
@pytest.mark.parametrize("seed", [2, 3])
async def test_a_world_told_out_of_order(store: Store, clock: FakeClock, seed: int) -> None:
    result = await _script("bitemporal").run(store, clock, 120, seed, batch=20)
    assert result.good, result
    assert result.known_asked


@pytest.mark.timeout(120)  # hundreds of turns, on a machine that may be busy
async def test_a_talk_in_which_all_comes_back(store: Store) -> None:
    result = await _script("echo").run(store, 80, 2)
    assert result.good, result
    assert result.kept == result.said
