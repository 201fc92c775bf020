"""Which of several candidates it is to be.

CodeMonkeys, arXiv 2501.14723: tests vote first; among those that pass equally many, candidates that
behave alike count together (as in CodeT, arXiv 2207.10397); what is left is the model's choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from treadle.agents.coding.case import Seen
from treadle.agents.coding.loop import Candidate, worth
from treadle.agents.coding.model_use import ModelUse
from treadle.core.chat import Message
from treadle.core.errors import ModelError

_CHOOSE = """\
Task:
{task}

These programs pass the same tests. Choose the one that does what the task says, in all cases that \
the tests leave open:
{programs}

`choice` is its number."""


class _Choice(BaseModel):
    choice: int
    why: str = Field(default="", max_length=4000)


@dataclass(frozen=True, slots=True)
class Selected:
    """The candidate that was chosen, and by what: "tests", "majority", "model" or "first"."""

    candidate: Candidate
    by: str


def behaviour(outcomes: Mapping[bytes, Seen]) -> str:
    """Equal for candidates that gave the same outcomes."""
    return "\n".join(f"{key.hex()} {outcomes[key].key}" for key in sorted(outcomes))


async def select(
    model: ModelUse,
    task: str,
    candidates: Sequence[tuple[Candidate, Mapping[bytes, Seen]]],
) -> Selected:
    """The best of `candidates`, each with what the calls that were tried gave.

    Raises BudgetExceeded. A model that makes no choice leaves the first, which is recorded so.
    """
    best = max(worth(each.judgement) for each, _ in candidates)
    top = [each for each in candidates if worth(each[0].judgement) == best]
    if len(top) == 1:
        return Selected(top[0][0], "tests")
    groups: dict[str, list[Candidate]] = {}
    for candidate, outcomes in top:
        groups.setdefault(behaviour(outcomes), []).append(candidate)
    largest = max(len(group) for group in groups.values())
    leading = [group for group in groups.values() if len(group) == largest]
    # Of those that behave alike, the shortest.
    finalists = [min(group, key=lambda each: len(each.code)) for group in leading]
    if len(finalists) == 1:
        return Selected(finalists[0], "tests" if len(groups) == 1 else "majority")
    return await _by_model(model, task, finalists)


async def _by_model(model: ModelUse, task: str, finalists: Sequence[Candidate]) -> Selected:
    programs = "\n".join(
        f"\nProgram {number}:\n```python\n{each.code}\n```"
        for number, each in enumerate(finalists, 1)
    )
    text = _CHOOSE.format(task=task, programs=programs)
    try:
        answer = await model.structured([Message("user", text)], _Choice, name="choice")
    except ModelError:
        return Selected(finalists[0], "first")
    if not 1 <= answer.choice <= len(finalists):
        return Selected(finalists[0], "first")
    return Selected(finalists[answer.choice - 1], "model")
