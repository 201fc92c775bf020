"""Tests that the model makes up from the task alone, before it has seen any code.

CodeMonkeys, arXiv 2501.14723: generated tests vote among candidates. They may be wrong, so they
decide nothing by themselves where the caller has given tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from treadle.agents.coding.case import Call, Case
from treadle.agents.coding.model_use import ModelUse
from treadle.core.chat import Message

_ASK = """\
Task:
{task}
{entry}{examples}
Make up {wanted} tests for a program that does this: calls with what they must give by the task's \
words alone. Cover ordinary inputs, edge cases, and what is easily misunderstood. Arguments and \
results are JSON; `error` is the name of an exception where the task demands one. Take no examples \
that were given, and none whose result you are unsure of."""

_DIFFER = """\
Task:
{task}

These programs all pass every test so far:
{programs}

Give up to {wanted} calls (JSON arguments, valid by the task) on which they may give different \
results. What the right result is does not matter here."""


class ProposedCall(BaseModel):
    """A call that a model makes up."""

    function: str = Field(max_length=200)
    args: list[JsonValue] = []
    named: dict[str, JsonValue] = {}


class ProposedCase(ProposedCall):
    """A test that a model makes up."""

    expected: JsonValue = None
    error: Annotated[str, Field(max_length=200)] | None = None
    why: str = Field(default="", max_length=2000)


class _Cases(BaseModel):
    cases: list[ProposedCase]


class _Calls(BaseModel):
    calls: list[ProposedCall]


async def proposed_cases(
    model: ModelUse, task: str, *, wanted: int, entry: str | None, examples: Sequence[Case] = ()
) -> tuple[Case, ...]:
    """Up to `wanted` cases for `task`, none of them about a call of `examples`.

    Raises ModelError and BudgetExceeded.
    """
    text = _ASK.format(
        task=task,
        wanted=wanted,
        entry=f"\nThe function is called {entry}.\n" if entry else "",
        examples="".join(f"\nExample: {each}" for each in examples) + ("\n" if examples else ""),
    )
    answer = await model.structured([Message("user", text)], _Cases, name="tests")
    known = {each.call.key for each in examples}
    found: dict[bytes, Case] = {}
    for each in answer.cases:
        call = _call(each)
        if call is None or call.key in known:
            continue
        made = Case(call, each.expected, each.error, source="generated", why=each.why)
        found.setdefault(call.key, made)
    return tuple(found.values())[:wanted]


async def distinguishing_calls(
    model: ModelUse, task: str, programs: Sequence[str], *, wanted: int
) -> tuple[Call, ...]:
    """Up to `wanted` calls on which `programs` may differ. Raises ModelError, BudgetExceeded."""
    shown = "\n".join(f"\n```python\n{each}\n```" for each in programs[:4])
    text = _DIFFER.format(task=task, programs=shown, wanted=wanted)
    answer = await model.structured([Message("user", text)], _Calls, name="calls")
    calls = [call for each in answer.calls if (call := _call(each)) is not None]
    return tuple({each.key: each for each in calls}.values())[:wanted]


def _call(proposed: ProposedCall) -> Call | None:
    if not proposed.function.isidentifier() or proposed.function.startswith("__"):
        return None
    return Call(proposed.function, tuple(proposed.args), proposed.named)
