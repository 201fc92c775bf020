"""The tools as an agent calls them: JSON in, JSON out."""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.tools.repository.test_connection import FAKE
from tests.tools.repository.test_transaction import snapshot

from treadle.core.errors import ToolError
from treadle.tools import Effect, ToolRegistry
from treadle.tools.repository import Repository, repository_tools


@pytest.fixture
def tools(repository: Repository) -> ToolRegistry:
    return ToolRegistry(repository_tools(repository))


async def call(tools: ToolRegistry, tool: str, /, **arguments: Any) -> Any:
    result = await tools[tool].call(arguments)
    json.dumps(result, allow_nan=False)
    return result


def test_questions_read_and_only_applying_writes(tools: ToolRegistry) -> None:
    effects = {name: each.effect for name, each in tools.items()}
    assert {name for name, effect in effects.items() if effect is not Effect.READ} == {"code_apply"}
    assert effects["code_apply"] is Effect.WRITE
    assert tools["code_apply"].undo is not None
    for each in tools.values():
        assert each.description
        json.dumps(each.parameters)


async def test_questions_without_a_server(tools: ToolRegistry) -> None:
    outline = await call(tools, "code_outline", path="app/shapes.py")
    assert {"at": "app/shapes.py::Circle.area", "kind": "function", "line": 17} in outline[
        "symbols"
    ]
    text = await call(tools, "code_text", at="app/shapes.py::Shape.area")
    assert (text["first_line"], text["last_line"], text["how"]) == (9, 10, "exact")
    graph = await call(
        tools, "code_graph", query={"name": "total", "follow": ["calls"], "direction": "in"}
    )
    assert [node["at"] for node in graph["nodes"]] == ["app/shapes.py::total", "app/main.py::main"]
    for name, arguments, code in (
        ("code_graph", {"query": {"sql": "x"}}, "invalid_arguments"),
        ("code_text", {"at": "app/shapes.py::area"}, "selector_stale"),
        ("code_text", {"at": "../x.py::f"}, "path_outside_workspace"),
        ("code_text", {"at": "app/shape.py::f"}, "file_not_found"),
        ("code_preview", {"edits": []}, "no_edits"),
        ("code_preview", {"edits": [{"op": "run", "at": "x"}]}, "invalid_arguments"),
        ("code_apply", {"preview": "0" * 64}, "unknown_preview"),
    ):
        with pytest.raises(ToolError) as refused:
            await call(tools, name, **arguments)
        assert refused.value.code == code


async def test_preview_apply_and_undo(tools: ToolRegistry, root: Path) -> None:
    before = snapshot(root)
    shown = await call(
        tools, "code_preview", edits=[
            {"op": "replace", "at": "app/shapes.py::total", "text": "def total(shapes: list[Shape]) -> float:\n    return 1.0\n"},
            {"op": "write_file", "path": "app/new.py", "text": "x = 1\n"},
        ],
    )  # fmt: skip
    assert "+    return 1.0" in shown["diff"]
    assert shown["files"] == ["app/new.py", "app/shapes.py"]
    assert snapshot(root) == before
    arguments = {"preview": shown["preview"]}
    done = await tools["code_apply"].call(arguments, idempotency_key="k")
    assert (root / "app" / "new.py").exists()
    assert await tools["code_apply"].call(arguments, idempotency_key="k")
    await tools["code_apply"].compensate(done, arguments)
    assert snapshot(root) == before
    with pytest.raises(ToolError) as refused:
        await call(tools, "code_preview", edits=[{"op": "delete", "at": "app/main.py::nothing"}])
    assert refused.value.code == "selector_stale"
    assert "edit 1" in refused.value.message


@pytest.mark.timeout(90)  # a server in Node.js starts, which takes long on a busy machine
@pytest.mark.usefixtures("needs_pyright")
async def test_a_change_that_makes_it_worse_refuses_itself(tools: ToolRegistry, root: Path) -> None:
    before = snapshot(root)
    # The fault shows in a file that imports the one that changes.
    worse = [
        {
            "op": "replace",
            "at": 'app/shapes.py@"def total(shapes: list[Shape])"',
            "text": "def total(shapes: int)",
        }
    ]
    shown = await call(tools, "code_preview", edits=worse, measure=True)
    assert shown["score"]["value"] < 0
    assert shown["score"]["exact"]
    assert any(fault["at"].startswith("app/main.py") for fault in shown["score"]["new"])
    with pytest.raises(ToolError) as refused:
        await call(tools, "code_apply", preview=shown["preview"], refuse_if_worse=True)
    assert refused.value.code == "score_negative"
    assert snapshot(root) == before
    # A file that goes: only the changed folder tells, and it comes back.
    gone = await call(tools, "code_preview", edits=[{"op": "delete_file", "path": "app/shapes.py"}])
    with pytest.raises(ToolError) as refused:
        await call(tools, "code_apply", preview=gone["preview"], refuse_if_worse=True)
    assert refused.value.code == "score_negative"
    assert snapshot(root) == before
    split = [
        {"op": "write_file", "path": "app/circles.py", "text": "RADIUS: float = 1.0\n"},
        {
            "op": "replace",
            "at": 'app/main.py@"from app.shapes"',
            "text": "from app.circles import RADIUS\nfrom app.shapes",
        },
        {"op": "replace", "at": 'app/main.py@"Circle(1.0)"', "text": "Circle(RADIUS)"},
    ]
    better = await call(tools, "code_preview", edits=split)
    done = await call(tools, "code_apply", preview=better["preview"], refuse_if_worse=True)
    assert done["score"]["value"] == 0
    assert (root / "app" / "circles.py").exists()


@pytest.mark.timeout(90)  # a server in Node.js starts, which takes long on a busy machine
@pytest.mark.usefixtures("needs_pyright")
async def test_the_servers_answers_as_a_model_reads_them(tools: ToolRegistry, root: Path) -> None:
    used = await call(tools, "code_references", at="app/shapes.py::Circle")
    assert {"at": "app/main.py:1:24", "line": "from app.shapes import Circle, total"} in used[
        "places"
    ]
    assert "float" in await call(tools, "code_hover", at="app/shapes.py::total")
    found = await call(tools, "code_symbols", query="total")
    assert "app/shapes.py::total" in [each["at"] for each in found["symbols"]]
    defined = await call(tools, "code_definition", at='app/main.py@"total("')
    assert defined["places"][0]["at"].startswith("app/shapes.py:")
    shown = await call(tools, "code_preview_rename", at="app/shapes.py::Circle", name="Disc")
    await call(tools, "code_apply", preview=shown["preview"])
    assert "Disc(1.0), Disc(2.0)" in (root / "app" / "main.py").read_text("utf-8")
    faults = await call(tools, "code_diagnostics", path="app/main.py")
    assert faults == {"found": 0, "diagnostics": []}


async def test_a_cancelled_question_is_given_up_at_the_server(root: Path, tmp_path: Path) -> None:
    command = (sys.executable, str(FAKE), "hang")
    with Repository(root, kept=tmp_path / "kept", command=command, seconds=60) as repository:
        tools = ToolRegistry(repository_tools(repository))
        connection, _ = await asyncio.to_thread(repository.server.started)
        ask = partial(connection.request, params={}, seconds=60)
        call = asyncio.ensure_future(tools["code_hover"].call({"at": "app/shapes.py::total"}))
        while not await asyncio.to_thread(ask, "test/hanging"):
            pass  # the server has not got the question yet
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        told: object = []
        while not told:  # the thread that asked gives up in its own time
            told = await asyncio.to_thread(ask, "test/cancelled")
        assert isinstance(told, list)
        assert len(told) == 1
