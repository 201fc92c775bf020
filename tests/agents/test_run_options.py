"""What a run is given for itself, and what of it a resume finds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.crashing import allow, happened, open_runtime

from treadle import InputError, Plan, Runtime
from treadle.core.budget import Budget
from treadle.core.events import RunStarted

STEPS = [{"id": f"s{n}", "tool": "look", "args": {"x": n}} for n in range(4)]
WAITS = Plan.from_wire(
    {
        "steps": [
            {"id": "w", "tool": "write", "args": {"x": 0}},
            *({**each, "after": ["w"]} for each in STEPS),
        ],
        "answer": {"n": "${s3}"},
    }
)


class Number(BaseModel):
    """An answer."""

    n: int


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@asynccontextmanager
async def opened(url: str, folder: Path, **options: Any) -> AsyncIterator[Runtime]:
    async with open_runtime(url, folder, **options) as runtime:
        yield runtime


async def test_a_resume_has_the_budget_that_the_run_was_given(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        result = await runtime.run(WAITS, budget=Budget(steps=3, seconds=60))
        assert result.status == "waiting"
        started = result.events[0]
        assert isinstance(started, RunStarted)
        assert started.budget == {"steps": 3, "seconds": 60}
    async with opened(url, tmp_path, approve=allow, budget=Budget(steps=100)) as runtime:
        result = await runtime.resume("run-1")
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    assert len(happened(tmp_path, "look")) == 2


async def test_a_budget_for_the_resume_is_stronger(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        await runtime.run(WAITS, budget=Budget(steps=3))
    async with opened(url, tmp_path, approve=allow) as runtime:
        result = await runtime.resume("run-1", budget=Budget(steps=5))
    assert result.status == "succeeded"


@pytest.mark.parametrize("given", [None, Budget()])
async def test_without_limits_of_its_own_the_runtime_decides(
    url: str, tmp_path: Path, given: Budget | None
) -> None:
    async with opened(url, tmp_path, budget=Budget(steps=100)) as runtime:
        await runtime.run(WAITS, budget=given)
    async with opened(url, tmp_path, approve=allow, budget=Budget(steps=3)) as runtime:
        result = await runtime.resume("run-1")
    # A budget without limits was given, too: none is what the run has.
    assert result.status == ("failed" if given is None else "succeeded")


async def test_a_resume_reads_the_answer_as_a_type(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        await runtime.run(WAITS)
    async with opened(url, tmp_path, approve=allow) as runtime:
        result = await runtime.resume("run-1", output_type=Number)
        assert result.output == Number(n=3)
        # It has ended now; what was recorded is read.
        again = await runtime.resume("run-1", output_type=Number)
        assert (again.output, again.answer) == (Number(n=3), {"n": 3})
        assert (await runtime.resume("run-1")).output is None
        with pytest.raises(InputError) as caught:
            await runtime.resume("run-1", output_type=list[int])
        assert caught.value.code == "answer_mismatch"
