"""Names that load when they are first used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = (
    "treadle",
    "treadle.agents",
    "treadle.agents.coding",
    "treadle.memory",
    "treadle.serving",
    "treadle.serving.router",
    "treadle.telemetry",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_listed(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_any_other_name_is_refused(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Loom'"):
        _ = module.Loom


def test_nothing_is_loaded_before_it_is_used() -> None:
    code = (
        "import sys, treadle\n"
        "assert 'treadle.agents.runtime' not in sys.modules\n"
        "treadle.Runtime\n"
        "assert 'treadle.agents.runtime' in sys.modules\n"
        "assert 'Runtime' in vars(treadle), 'it is looked up once'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
