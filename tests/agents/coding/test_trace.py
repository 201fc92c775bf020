"""Traces of failing calls, basic block by basic block, and what the model says of them."""

from __future__ import annotations

import pytest

from treadle.agents.coding.case import Call
from treadle.agents.coding.debugging import diagnosis, faulty_blocks
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.model_use import ModelUse
from treadle.agents.coding.trace import MOST_REPORT, MOST_RUNS, trace_call
from treadle.core.errors import ModelError
from treadle.testing import ScriptedModel

# Every judgement is a process or more, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

CODE = """\
def weight(x):
    if x % 2:
        return x * 3
    return x

def total(items):
    result = 0
    count = 0
    for item in items:
        part = weight(item)
        result -= part
        count += 1
    return result
"""


async def test_each_block_has_its_values_and_loops_are_summed_up(executions: Executions) -> None:
    trace = await trace_call(executions, CODE, Call("total", (list(range(1, 9)),)))
    assert trace is not None
    assert not trace.cut
    by_line = {each.first: each for each in trace.blocks}
    body = by_line[10]
    assert (body.last, body.times, body.function) == (12, 8, "total")
    assert len(body.runs) == MOST_RUNS
    assert [run.time for run in body.runs] == [1, 2, 8]
    assert body.runs[0].before["result"] == "0"
    assert body.runs[0].after == {"part": "3", "result": "-3", "count": "1"}
    assert by_line[3].times == 4
    assert by_line[13].runs[0].after["return"] == trace.result.removeprefix("returned ")
    assert "BLOCK 1 (total, lines 7-8, ran once)" in trace.text()


async def test_an_exception_ends_its_block(executions: Executions) -> None:
    code = "def f(x):\n    y = x + 1\n    return y / 0\n"
    trace = await trace_call(executions, code, Call("f", (1,)))
    assert trace is not None
    assert "ZeroDivisionError" in trace.blocks[0].runs[0].after["raised"]
    assert trace.result.startswith("raised ZeroDivisionError")


async def test_values_and_reports_are_short(executions: Executions) -> None:
    code = "def f(n):\n    a = 'x' * n\n    b = list(range(n))\n    c = {i: a for i in b}\n    return c\n"
    trace = await trace_call(executions, code, Call("f", (10_000,)))
    assert trace is not None
    assert len(trace.text()) < 3000 < MOST_REPORT


async def test_a_long_run_is_cut_and_says_so(executions: Executions) -> None:
    code = "def f():\n    n = 0\n    while n < 50_000:\n        n += 1\n    return n\n"
    trace = await trace_call(executions, code, Call("f"))
    assert trace is not None
    assert trace.cut
    assert "the trace stops" in trace.text()
    assert trace.result == "returned 50000"


@pytest.mark.parametrize(
    "code",
    [
        "def f(",
        "import os\nos._exit(0)",
        "def g(): pass",
        "import sys\nsys.settrace = None\ndef f(): return 1",
        "class B:\n    def __repr__(self): 1 / 0\n",
    ],
)
async def test_code_that_cannot_be_traced_has_no_trace(executions: Executions, code: str) -> None:
    assert await trace_call(executions, code, Call("f")) is None


async def test_values_that_fight_back_are_named(executions: Executions) -> None:
    code = "class B:\n    def __repr__(self): 1 / 0\ndef f():\n    b = B()\n    return 2\n"
    trace = await trace_call(executions, code, Call("f"))
    assert trace is not None
    assert "in repr" in trace.text() or "B instance" in trace.text()


async def test_the_model_is_asked_about_every_block(executions: Executions) -> None:
    trace = await trace_call(executions, CODE, Call("total", ([1, 2],)))
    assert trace is not None
    verdicts = {
        "blocks": [
            {"block": 1, "correct": True},
            {"block": 4, "correct": False, "explanation": "it subtracts"},
            {"block": 77, "correct": False, "explanation": "there is no such block"},
        ]
    }
    model = ScriptedModel([verdicts])
    use = ModelUse(model)
    faulty = await faulty_blocks(
        use, task="add them up", code=CODE, failure="total([1, 2]) returns -5", trace=trace
    )
    assert [each.block for each in faulty] == [4]
    asked = model.requests[0].messages[-1].content
    assert asked.count("BLOCK ") == len(trace.blocks)
    assert "total([1, 2]) returns -5" in asked
    assert "it subtracts" in diagnosis(trace, faulty)
    assert use.usage.calls == 1


async def test_a_model_that_says_nothing_usable_is_an_error(executions: Executions) -> None:
    trace = await trace_call(executions, CODE, Call("total", ([1],)))
    assert trace is not None
    with pytest.raises(ModelError) as caught:
        await faulty_blocks(
            ModelUse(ScriptedModel(lambda request: "block 1")),
            task="", code=CODE, failure="", trace=trace,
        )  # fmt: skip
    assert caught.value.code == "model_malformed_reply"
