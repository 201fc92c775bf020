"""Importing Treadle is light, whole and free of side effects."""

import subprocess
import sys

import pytest

import treadle

pytestmark = pytest.mark.timeout(150)  # processes that start take their time on a busy machine

HEAVY = ("openai", "langgraph", "langchain_core", "networkx", "duckdb", "httpx", "httpx2",
         "pydantic", "rich", "typer", "prompt_toolkit", "sqlalchemy", "ijson")  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `code`."""
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_treadle_loads_nothing_heavy() -> None:
    assert not loaded_by("import treadle").intersection(HEAVY)


def test_defining_a_tool_loads_no_client_and_no_graph_library() -> None:
    loaded = loaded_by("from treadle import tool, Effect")
    assert "pydantic" in loaded
    assert not loaded.intersection(set(HEAVY) - {"pydantic"})


def test_making_a_runtime_loads_no_client_and_no_graph_library() -> None:
    code = "import treadle; treadle.Runtime(model='offline')"
    assert not loaded_by(code).intersection({"openai", "langgraph", "networkx", "duckdb", "rich"})


def test_every_public_name_can_be_had() -> None:
    for name in treadle.__all__:
        assert getattr(treadle, name) is not None
    assert set(treadle.__all__) <= set(dir(treadle))


def test_the_packages_name_what_they_export() -> None:
    for name in ("agents", "planner", "executor", "tools", "serving", "testing"):
        package = __import__(f"treadle.{name}", fromlist=["*"])
        for public in package.__all__:
            assert getattr(package, public) is not None
