"""A plan in words, carried out by hand on the examples before any code is written.

CodeSim, arXiv 2502.05664: the planning agent's plan is simulated on a sample, and revised where the
simulation does not come to the sample's output. Whether it does is compared here, not believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field, JsonValue

from treadle.agents.coding.case import Case, same
from treadle.agents.coding.model_use import ModelUse
from treadle.core.chat import Message
from treadle.core.errors import ModelError

MOST_EXAMPLES = 3
MOST_REVISIONS = 2

_PLAN = """\
Task:
{task}

Write a plan for the program: the algorithm in numbered steps, with the edge cases. No code."""

_SIMULATE = """\
Task:
{task}

Plan:
{plan}

Carry out this plan by hand, step by step, on this call: {call}
Follow the plan to the letter, even where it looks wrong. `steps` are what happens, `result` is \
what the plan comes to, `error` the name of the exception if it raises one."""

_REVISE = """\
Task:
{task}

Plan:
{plan}

Carried out by hand on {call}, it comes to {found}, but {wanted}:
{steps}

Write the corrected plan. No code."""


class Simulation(BaseModel):
    """What a model came to that carried out a plan by hand."""

    steps: list[str] = Field(default=[], max_length=200)
    result: JsonValue = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SimulatedPlan:
    """A plan. agreed: the examples on which its simulation came to the right result.

    revisions: how often it was changed because one did not.
    """

    text: str
    agreed: int
    examples: int
    revisions: int


async def simulated_plan(model: ModelUse, task: str, examples: Sequence[Case]) -> SimulatedPlan:
    """A plan for `task` that was tried by hand on `examples`, and revised where it failed.

    A plan that is never right is returned all the same, with what it comes to: it is advice to
    whoever writes the code. A simulation that is no answer counts as one that disagrees.

    Raises ModelError and BudgetExceeded.
    """
    plan = await model.text([Message("user", _PLAN.format(task=task))])
    shown = list(examples)[:MOST_EXAMPLES]
    revisions = 0
    while True:
        agreed, problem = 0, None
        for case in shown:
            simulation = await _simulate(model, task, plan, case)
            if _agrees(simulation, case):
                agreed += 1
            elif problem is None:
                problem = (case, simulation)
        if problem is None or revisions == MOST_REVISIONS:
            return SimulatedPlan(plan, agreed, len(shown), revisions)
        revisions += 1
        plan = await model.text([Message("user", _revision(task, plan, *problem))])


async def _simulate(model: ModelUse, task: str, plan: str, case: Case) -> Simulation:
    text = _SIMULATE.format(task=task, plan=plan, call=case.call)
    try:
        return await model.structured([Message("user", text)], Simulation, name="simulation")
    except ModelError as error:
        if error.code != "model_malformed_reply":
            raise
        return Simulation(error="no answer")


def _agrees(simulation: Simulation, case: Case) -> bool:
    if case.error is not None or simulation.error is not None:
        return case.error == simulation.error
    return same(simulation.result, case.expected)


def _revision(task: str, plan: str, case: Case, simulation: Simulation) -> str:
    found = f"raises {simulation.error}" if simulation.error else repr(simulation.result)
    steps = "\n".join(f"- {each[:500]}" for each in simulation.steps[:40])
    return _REVISE.format(
        task=task, plan=plan, call=case.call, found=found, wanted=f"it {case.wanted}", steps=steps
    )
