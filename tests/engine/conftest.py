"""What the engine's tests share. They run where vLLM is installed: `make test-engine`."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.server import EngineServer

REQUIRE = "TREADLE_REQUIRE_ENGINE"

_HERE = Path(__file__).parent
_SECONDS = 400
"""For one test; loading torch alone takes a minute on a cold disk."""

_ENVIRONMENT = {
    # The engine in the tests' own process, step by step.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    # GiB; without it the engine takes what half of the machine has.
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # One thread for a model this small: more of them only wait for each other.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

HAS_ENGINE = importlib.util.find_spec("vllm") is not None

if HAS_ENGINE:
    # Before anything imports vLLM, which reads them once.
    for _name, _value in _ENVIRONMENT.items():
        os.environ.setdefault(_name, _value)
else:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    if not HAS_ENGINE and os.environ.get(REQUIRE, "0") not in ("", "0"):
        pytest.exit(f"{REQUIRE} is set, and vLLM is not installed here", returncode=1)
    if HAS_ENGINE:
        # vLLM, torch and what they bring warn about each other while they are imported.
        config.addinivalue_line("filterwarnings", "ignore")
        config.addinivalue_line("filterwarnings", r"error:::treadle(\..*)?")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not HAS_ENGINE or _HERE not in item.path.parents:
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture(scope="session")
def tiny_model() -> Iterator[Path]:
    """A folder with the tiny model."""
    from tests.engine.tiny_model import build_model

    with tempfile.TemporaryDirectory(prefix="treadle-tiny-model-") as folder:
        yield build_model(Path(folder))


@pytest.fixture(scope="session")
def engine_server(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineServer]:
    """The one server of the suite: starting it takes a minute or more."""
    from tests.engine.holding import HOLDING
    from tests.engine.server import serving

    with serving(tiny_model, tmp_path_factory.mktemp("engine"), policy=HOLDING) as server:
        yield server
