"""A budget of its own for one task of an agent, inside of a run and outside of any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from treadle.core.budget import Budget, BudgetMeter
from treadle.core.clock import Clock
from treadle.core.event_log import EventLog
from treadle.core.ids import new_run_id
from treadle.core.prices import NO_PRICES, PriceList
from treadle.core.program import Program, current_program


@contextmanager
def budgeted(budget: Budget | None, clock: Clock, prices: PriceList = NO_PRICES) -> Iterator[None]:
    """Within the block all calls count in `budget` too, beside that of the run around it.

    prices: of models, where money is limited; those of the run around it count too.

    Outside of any run the block is a program of its own: what happens is bounded all the same.
    """
    outer = current_program.get()
    if outer is None:
        run_id = new_run_id()
        meter = BudgetMeter(budget or Budget(), clock, prices=prices)
        program = Program(run_id, meter, EventLog(run_id, clock))
    elif budget is None:
        yield
        return
    else:
        program = replace(outer, budget=BudgetMeter(budget, clock, outer.budget, prices))
    token = current_program.set(program)
    try:
        yield
    finally:
        current_program.reset(token)
