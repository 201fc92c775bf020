"""How a journaled run is opened again, to go on or to be taken back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from treadle.agents.runs.before_resume import (
    budget_of,
    check_fingerprints,
    check_fits,
    reopened_by,
    task_of,
)
from treadle.agents.runs.forking import fork_of
from treadle.agents.runs.opening import Opening, RunOptions
from treadle.agents.runs.pipeline import Pipeline
from treadle.agents.runs.recorded import Origin
from treadle.core.event_log import EventLog
from treadle.core.json_value import JsonValue
from treadle.core.program import Program, current_program
from treadle.executor.doubts import Verdict
from treadle.executor.history import History

if TYPE_CHECKING:
    from treadle.executor.journal import Journal, Recording
    from treadle.planner.plan import Plan


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person said of steps, by id; of nested runs as `RUN/STEP`.

    done, redo: steps in doubt that took effect, and steps that are to run (again).
    again: the steps that failed are to run again.
    """

    done: Collection[str] = ()
    redo: Collection[str] = ()
    again: bool = False

    def verdicts(self) -> dict[str, Verdict]:
        """One for each step."""
        return {**dict.fromkeys(self.done, "done"), **dict.fromkeys(self.redo, "redo")}

    def own(self) -> Decided:
        """Without those about nested runs."""
        return Decided(
            tuple(each for each in self.done if "/" not in each),
            tuple(each for each in self.redo if "/" not in each),
            self.again,
        )

    def reopens(self) -> bool:
        """Whether a run goes on although it has ended."""
        return bool(self.done or self.redo or self.again)


async def reopen(
    opening: Opening,
    journal: Journal,
    run_id: str,
    decided: Decided,
    options: RunOptions,
    *,
    parent: Program | None = None,
    task: str | Plan | None = None,
) -> Pipeline:
    """The run as a pipeline that goes on where its events end. See `Runtime.resume`.

    parent, task: of a run that a step has started, which the step has handed `task`.
    """
    nested = parent is not None
    events = await journal.events(run_id)
    history = History(events)
    tools = opening.settled.tools
    own = decided.own()
    reopened = reopened_by(history, tools, own.done, own.redo, again=own.again)
    ended = history.finished
    if ended is not None and ended.status in ("succeeded", "failed") and not decided.reopens():
        log = EventLog(run_id, opening.clock, None, events)
        origin = Origin(parent=parent, nested=nested)
        pipeline = opening.pipeline("", log, replace(options, budget=None), origin)
        pipeline.end_as_recorded()
        return pipeline
    if not options.accept_changes:
        check_fingerprints(history, tools)
    check_fits(history, tools)
    recording = await journal.take(run_id)
    try:
        return await _taken(
            opening, journal, recording, options, Origin(
                journal=journal, recording=recording, reopened=reopened, parent=parent,
                nested=nested,
            ),
            decided, task,
        )  # fmt: skip
    except BaseException:
        await journal.release(recording)
        raise


async def _taken(
    opening: Opening,
    journal: Journal,
    recording: Recording,
    options: RunOptions,
    origin: Origin,
    decided: Decided,
    known: str | Plan | None,
) -> Pipeline:
    # Read again: until it was taken, another process may have gone on with it.
    events = await journal.events(recording.run_id)
    history = History(events)
    task, turns = task_of(recording.run_id, history, known)
    history.reopen(origin.reopened)
    options = replace(
        options,
        history=turns,
        budget=options.budget or budget_of(history),
        verdicts={**options.verdicts, **decided.verdicts()},
    )
    log = EventLog(recording.run_id, opening.clock, recording, events)
    return opening.pipeline(task, log, options, replace(origin, history=history))


async def begin_anew(
    opening: Opening,
    journal: Journal,
    run_id: str,
    task: str | Plan,
    options: RunOptions,
    origin: Origin,
) -> Pipeline:
    """A run that was cut off before anything was recorded of it: it starts now."""
    recording = await journal.take(run_id)
    try:
        log = EventLog(run_id, opening.clock, recording)
        return opening.pipeline(task, log, options, replace(origin, recording=recording))
    except BaseException:
        await journal.release(recording)
        raise


async def fork(
    opening: Opening,
    journal: Journal,
    log: EventLog,
    source: tuple[str, str],
    arguments: Mapping[str, JsonValue] | None,
    options: RunOptions,
    launch: Mapping[str, JsonValue] | None,
) -> Pipeline:
    """A new run, recorded in `log`, that goes another way than `source`: a run and a step of it.

    See `Runtime.fork`.
    """
    run_id, step_id = source
    history = History(await journal.events(run_id))
    forked = fork_of(history, opening.settled.tools, step_id, arguments)
    task, turns = task_of(run_id, history, forked.plan)
    origin = Origin(
        journal=journal,
        fork=forked,
        forked_from=f"{run_id}/{step_id}",
        parent=current_program.get(),
        launch=launch,
    )
    budget = options.budget or budget_of(history)
    return opening.pipeline(
        task if isinstance(task, str) else forked.plan,
        log,
        replace(options, history=turns, budget=budget),
        origin,
    )
