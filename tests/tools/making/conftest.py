"""A stand-in for a sandbox, and the parts that tests of made tools share."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from treadle.tools.making import ToolLibrary
from treadle.tools.sandbox import SandboxLevel, SandboxLimits, SandboxPolicy, SandboxResult

_GUEST = """
import ast, json, sys
tree = ast.parse(sys.stdin.read())
last = tree.body.pop()
space = {"__name__": "__main__"}
exec(compile(tree, "tool", "exec"), space)
value = eval(compile(ast.Expression(last.value), "tool", "eval"), space)
print("\\n" + json.dumps(value, allow_nan=False))
"""


class FakeRunner:
    """A CodeRunner without any boundary: a process of its own. For the sources of these tests."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.refuses = False

    async def run(
        self,
        code: str | None = None,
        *,
        command: Sequence[str] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        results: Sequence[str] = (),
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
    ) -> SandboxResult:
        assert code is not None
        self.ran.append(code)
        level = SandboxLevel.UNSAFE
        if self.refuses:
            return SandboxResult("refused", None, "", "", level, 0.0, reason="no such level")
        done = subprocess.run(
            [sys.executable, "-I", "-c", _GUEST], input=code, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            return SandboxResult("error", done.returncode, "", done.stderr, level, 0.0)
        value = json.loads(done.stdout.splitlines()[-1])
        return SandboxResult("ok", 0, done.stdout, "", level, 0.0, value=value)


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def library(tmp_path: Path) -> ToolLibrary:
    return ToolLibrary(tmp_path / "made")
