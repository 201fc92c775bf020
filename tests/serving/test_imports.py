"""What importing the package loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import treadle.serving, treadle.testing
import treadle.serving.resolve
loaded = {"openai", "httpx2", "httpx", "stamina", "pydantic"} & set(sys.modules)
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""


@pytest.mark.timeout(90)
def test_importing_loads_no_client() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
