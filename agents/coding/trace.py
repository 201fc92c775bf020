"""The values that a failing call goes through, basic block by basic block.

LDB, arXiv 2402.16906: a model that is shown what the variables were before and after each block
finds the faulty one more often than one that is shown the failing test alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationError

from treadle.agents.coding.case import Call
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.judge import program

MOST_BLOCKS = 24
MOST_RUNS = 3
MOST_EVENTS = 20_000
MOST_TEXT = 80
MOST_REPORT = 12_000


class BlockRun(BaseModel):
    """One time that a block ran. before: the variables; after: those that it changed."""

    time: int
    before: Mapping[str, str]
    after: Mapping[str, str]


class Block(BaseModel):
    """A basic block: lines `first` to `last`, that ran `times` times; some of those are shown."""

    first: int
    last: int
    source: str = Field(max_length=2000)
    function: str
    times: int
    runs: list[BlockRun]


class Trace(BaseModel):
    """The blocks in the order in which they first ran. cut: whether it stopped before the end."""

    blocks: list[Block] = []
    result: str = ""
    cut: bool = False

    def text(self) -> str:
        """As a model reads it: numbered from 1."""
        parts = [_described(number, each) for number, each in enumerate(self.blocks, 1)]
        if self.cut:
            parts.append(f"(the trace stops after {MOST_EVENTS:,} lines)")
        return "\n\n".join(parts)[:MOST_REPORT]


async def trace_call(executions: Executions, code: str, call: Call) -> Trace | None:
    """What happens in `code` during `call`; None where nothing could be seen.

    It runs in the sandbox, bounded: what ends it (its time, say) ends the trace too. The values
    come from the process of the code itself; they advise the model, and decide nothing.

    Raises ToolError where the sandbox is not to be had, and BudgetExceeded.
    """
    nonce = secrets.token_hex(16)
    job = {
        "nonce": nonce,
        "code": code,
        "call": call.wire(),
        "most_runs": MOST_RUNS,
        "most_events": MOST_EVENTS,
        "most_text": MOST_TEXT,
    }
    result = await executions.run(
        "trace", program("trace"), files={"job.json": json.dumps(job)}, shown=code
    )
    for line in reversed(result.stdout.splitlines()):
        signature, _, answer = line.partition(" ")
        if signature == nonce:
            try:
                found = Trace.model_validate_json(answer)
            except ValidationError:
                return None
            found.blocks = found.blocks[:MOST_BLOCKS]
            return found if found.blocks else None
    return None


def _described(number: int, block: Block) -> str:
    where = (
        f"line {block.first}" if block.first == block.last else f"lines {block.first}-{block.last}"
    )
    times = "once" if block.times == 1 else f"{block.times} times"
    lines = [f"BLOCK {number} ({block.function}, {where}, ran {times})", block.source]
    for run in block.runs:
        which = "" if block.times == 1 else f" [time {run.time}]"
        lines.append(f"  before{which}: {_values(run.before)}")
        lines.append(f"  changed{which}: {_values(run.after) or 'nothing'}")
    return "\n".join(lines)


def _values(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())
