"""Made tools behind a real boundary."""

from pathlib import Path

import pytest

from treadle.core.errors import ToolError
from treadle.testing import ScriptedModel
from treadle.tools.making import ToolLibrary, ToolMaker, made_tools
from treadle.tools.sandbox import Sandbox, SandboxLevel, SandboxLimits, SandboxPolicy

POLICY = SandboxPolicy(min_level=SandboxLevel.CONFINED)
SOURCE = '''
import os
import re

def {name}(text: str) -> {returns}:
    """Do something with a text."""
    return {body}
'''


@pytest.fixture(autouse=True)
async def boundary() -> None:
    async with Sandbox(policy=POLICY) as sandbox:
        found = await sandbox.run("1")
    if found.status == "refused":
        pytest.skip(f"made tools were not run in a sandbox: {found.reason}")


async def making(body: str, returns: str, results: list[object], library: ToolLibrary) -> None:
    examples = [
        {"arguments": {"text": text}, "result": result}
        for text, result in zip(("a b", "c"), results, strict=True)
    ]
    source = SOURCE.format(name="made_here", returns=returns, body=body)
    async with Sandbox(policy=POLICY, limits=SandboxLimits(seconds=4)) as sandbox:
        model = ScriptedModel([{"source": source, "examples": examples}])
        maker = ToolMaker(model, sandbox, library, max_repairs=0)
        made = await maker.make("snippet", "task")
        library.approve(made.tool, by="ada")
        (tool,) = made_tools(library, sandbox)
        assert await tool.call({"text": "x y z"}) == 3


async def test_a_tool_is_made_and_called_in_the_sandbox(tmp_path: Path) -> None:
    await making("len(re.split(r'\\s+', text))", "int", [2, 1], ToolLibrary(tmp_path))


@pytest.mark.parametrize(
    "body",
    [
        "len(open('/etc/shadow').read()) * 0 + len(text.split())",
        "os._exit(0)",
        "os.kill(os.getppid(), 9)",
        "__import__('socket').create_connection(('127.0.0.1', 80), 1) and 1",
        "[0] * 10 ** 11",
        "(lambda: [None for _ in iter(int, 1)])()",
    ],
)
async def test_code_that_tries_to_get_out_makes_no_tool(body: str, tmp_path: Path) -> None:
    library = ToolLibrary(tmp_path / "made")
    with pytest.raises(ToolError) as caught:
        await making(body, "int", [2, 1], library)
    assert caught.value.code == "tool_not_made"
    assert library.names() == []


async def test_code_cannot_write_outside_the_sandbox(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    body = f"(os.system('touch {marker}') and 0) or len(text.split())"
    await making(body, "int", [2, 1], ToolLibrary(tmp_path / "made"))
    assert not marker.exists()
