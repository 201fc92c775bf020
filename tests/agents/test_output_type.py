"""Structured answers: the answer of a run as a type that the caller has asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from tests.agents.conftest import SECONDS, SUM, check_record, plan, runtime, step

from treadle.core.errors import ConfigError
from treadle.core.events import ModelCalled
from treadle.executor import RunResult


async def run(*replies: Any, output_type: Any) -> RunResult:
    async with runtime(list(replies)) as rt:
        result = await asyncio.wait_for(rt.run("do it", output_type=output_type), SECONDS)
    check_record(result)
    return result


def purposes(result: RunResult) -> list[str]:
    return [event.purpose for event in result.events if isinstance(event, ModelCalled)]


class Sum(BaseModel):
    total: int


TYPED = plan(step("a", "add", a=1, b=2), answer={"total": "${a}"})


async def test_an_answer_that_fits_its_type_is_taken_as_it_is() -> None:
    result = await run(TYPED, output_type=Sum)
    assert result.output == Sum(total=3)
    assert result.answer == {"total": 3}
    assert purposes(result) == ["plan"]


async def test_an_answer_that_does_not_fit_is_asked_of_the_model() -> None:
    result = await run(SUM, '{"total": 5}', output_type=Sum)
    assert result.output == Sum(total=5)
    assert result.answer == {"total": 5}
    assert result.usage.calls == 2


async def test_an_answer_that_never_fits_is_a_coded_failure() -> None:
    result = await run(SUM, *["prose"] * 5, output_type=Sum)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "model_malformed_reply"
    assert result.output is None
    assert [each.status for each in result.steps] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("output_type", [object(), "text", asyncio.Event])
async def test_a_type_that_pydantic_does_not_know_is_refused_at_once(output_type: Any) -> None:
    async with runtime([SUM]) as rt:
        with pytest.raises(ConfigError) as caught:
            await rt.run("x", output_type=output_type)
    assert caught.value.code == "bad_output_type"


@pytest.mark.parametrize("output_type", [int, list[int], dict[str, int], Sum | None])
async def test_any_type_that_pydantic_knows(output_type: Any) -> None:
    values: dict[Any, Any] = {int: 3, list[int]: [3], dict[str, int]: {"total": 3}}
    wire = {int: "${a}", list[int]: ["${a}"]}.get(output_type, {"total": "${a}"})
    document = plan(step("a", "add", a=1, b=2), answer=wire)
    result = await run(document, output_type=output_type)
    assert result.output == values.get(output_type, Sum(total=3))
