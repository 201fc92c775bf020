"""One run that is killed and resumed until it succeeds, and what must hold then."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.crash.life import KillAt, Life, live
from tests.crash.plans import Call, expect, random_plan
from tests.crash.tools import REPEATABLE
from tests.crash.worker import Job
from tests.crash.world import World, call_key
from treadle.core.events import (
    DoubtSettled,
    Event,
    PlanReady,
    RunFinished,
    StepDropped,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
)
from treadle.executor.journal.codec import decode

_MOST_LIVES = 30
_BEGIN_ANEW = frozenset({"run_not_found", "nothing_recorded"})
"""The answers that say: nothing of this run was kept, begin another one."""


class Trial:
    """One plan, one folder of the outside world, and as many workers as it takes.

    name: for messages. kills: where they fell. doubts: how they were settled. violations: the
    promises that were broken.
    """

    def __init__(
        self,
        name: str,
        run_id: str,
        url: str,
        folder: Path,
        dice: random.Random,
        without: Collection[str] = (),
    ) -> None:
        self.name = name
        self.world = World(folder)
        self.kills: Counter[str] = Counter()
        self.doubts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._dice = dice
        self._run_id = run_id
        self._job = Job(
            url=url,
            folder=folder,
            run_id=run_id,
            life=0,
            plan=random_plan(dice, without),
            planned=dice.random() < 0.3,
            max_parallel=dice.choice((1, 2, 4, 8)),
        )
        self._rows: list[list[Any]] = []
        """The events that were acknowledged so far."""
        self._ended: dict[str, tuple[int, str]] = {}
        """Calls whose end was acknowledged: the last life that may have made them."""

    def run(self, most_kills: int) -> None:
        """Go through lives until one sees the run succeed, then check everything."""
        kills = min(most_kills, 1 + int(self._dice.expovariate(0.5)))
        for number in range(1, _MOST_LIVES):
            self._job = replace(self._job, life=number)
            kill = self._next_kill() if self.kills.total() < kills else None
            life = live(self._job, kill)
            self._compare(life)
            if life.killed:
                self.kills[self._place(life)] += 1
                self._job = replace(self._job, resume=True, done=(), redo=())
            elif life.died is not None:
                self._broken(f"the worker died of {life.died}")
            elif life.refused is not None:
                self._refused(life.refused)
            elif life.ended is not None and life.ended["status"] == "waiting":
                self._decide(life)
            else:
                self._check(life)
                return
            if self.violations:
                return
        self.violations.append(f"not done after {_MOST_LIVES} lives")

    def _next_kill(self) -> KillAt:
        # What a resumed run shows of its past comes at once: the instants lie behind that.
        return KillAt.random(self._dice, len(self._rows) if self._job.resume else 0)

    # ---- after each life -----------------------------------------------------------------------

    def _compare(self, life: Life) -> None:
        """What was acknowledged once stays what it is."""
        both = min(len(self._rows), len(life.rows))
        if self._rows[:both] != life.rows[:both]:
            at = next(i for i in range(both) if self._rows[i] != life.rows[i])
            self._broken(f"event {at} was {self._rows[at]}, and is {life.rows[at]}")
        if len(life.rows) < len(self._rows) and not (life.killed or life.refused):
            self._broken(f"{len(self._rows)} events were acknowledged, {len(life.rows)} are there")
        if len(life.rows) > len(self._rows):
            self._rows = life.rows
            self._note_ends()

    def _note_ends(self) -> None:
        items = expect(self._job.plan).calls
        reads = {step["id"] for step in self._job.plan["steps"] if step["tool"] in REPEATABLE}
        for event in _events(self._rows):
            ended: list[str] = []
            if isinstance(event, StepFinished) and event.status in ("succeeded", "failed"):
                ended = list(items[event.step_id].values())
            elif isinstance(event, StepProgress) and (
                event.error is None or event.step_id not in reads
            ):  # a read that has failed may be tried again
                ended = [items[event.step_id][event.index]]
            for key in ended:
                self._ended.setdefault(key, (self._job.life, event.__class__.__name__))

    def _place(self, life: Life) -> str:
        """Where a kill fell, as far as what was acknowledged tells."""
        events = _events(life.rows)
        if life.writing:
            return "within a transaction"
        if not events:
            return "before its first event"
        if isinstance(events[-1], RunFinished):
            return "after the end of the run"
        if not any(isinstance(event, PlanReady) for event in events):
            return "while the plan was made"
        begun = _open_calls(events)
        effects = self.world.effects()
        tools = {step["id"]: step["tool"] for step in self._job.plan["steps"]}
        writing = [call for call in begun if tools[call[0]] not in REPEATABLE]
        if any(_effect(tools, call) in effects for call in writing):
            return "between an effect and its result"
        if writing:
            return "between an intent and its effect"
        return "during reads only" if begun else "between steps"

    def _refused(self, code: str) -> None:
        if code not in _BEGIN_ANEW:
            self._broken(f"refused with {code}")
        elif any(isinstance(event, PlanReady) for event in _events(self._rows)):
            self._broken(f"a recorded plan is answered by {code}")
        elif self.world.effects():
            self._broken(f"{code}, but there are effects: {dict(self.world.effects())}")
        else:
            self._rows = []
            self._ended.clear()
            anew = f"{self._run_id}-{self._job.life}"
            self._job = replace(self._job, run_id=anew, resume=False)

    def _decide(self, life: Life) -> None:
        """Look at the world as a person would, and say what became of the steps in doubt."""
        assert life.ended is not None
        doubtful = [
            step["id"]
            for step in life.ended["steps"]
            if step.get("error", {}).get("code") == "in_doubt"
        ]
        if not doubtful:
            self._broken("it waits, and says for no step why")
        done: list[str] = []
        redo: list[str] = []
        for step_id in doubtful:
            (done if self._happened(step_id, life) else redo).append(step_id)
        self.doubts["a person: done"] += len(done)
        self.doubts["a person: redo"] += len(redo)
        self._job = replace(self._job, resume=True, done=tuple(done), redo=tuple(redo))

    def _happened(self, step_id: str, life: Life) -> bool:
        effects = self.world.effects()
        calls = [call for call in _open_calls(_events(life.rows)) if call[0] == step_id]
        keys = [_effect({}, call) for call in calls]
        missing = [key for key in keys if key not in effects]
        if len(missing) == len(keys):
            return False
        for key in missing:
            # One answer for the whole step, and some items happened: the others by hand.
            self.world.act(key, self._job.life)
            self.doubts["a person: an item by hand"] += 1
        return True

    # ---- in the end ----------------------------------------------------------------------------

    def _check(self, life: Life) -> None:
        assert life.ended is not None
        if life.ended["status"] != "succeeded":
            self._broken(f"it ended {life.ended['status']}: {life.ended.get('error')}")
        events = _events(life.rows)
        settled = [event for event in events if isinstance(event, DoubtSettled)]
        done = {(each.step_id, each.index) for each in settled if each.decision == "done"}
        self.doubts.update(
            f"its tool: {each.decision}"
            for each in settled
            if each.decision not in ("done", "redo")
        )
        expected = expect(self._job.plan, done)
        statuses = {step["id"]: step["status"] for step in life.ended["steps"]}
        if statuses != expected.status:
            self._broken(f"statuses {statuses}, not {expected.status}")
        if life.ended["answer"] != expected.answer:
            self._broken(f"answer {life.ended['answer']}, not {expected.answer}"[:2000])
        effects = self.world.effects()
        if effects != expected.effects:
            twice, missing = effects - expected.effects, expected.effects - effects
            self._broken(f"effects too many: {dict(twice)}, missing: {dict(missing)}")
        again = self._may_run_again(events)
        for key, number in self.world.calls():
            if key in again:
                continue
            if key in self._ended and number > self._ended[key][0]:
                self._broken(f"{key} was run again in life {number}, ended in {self._ended[key]}")

    def _may_run_again(self, events: list[Event]) -> set[str]:
        """The reads of a plan that was never complete: it is made anew, and they are dropped."""
        dropped = {event.step_id for event in events if isinstance(event, StepDropped)}
        steps = self._job.plan["steps"]
        reads = {step["id"] for step in steps if step["tool"] in REPEATABLE}
        calls = expect(self._job.plan).calls
        return {key for step_id in dropped & reads for key in calls[step_id].values()}

    def _broken(self, what: str) -> None:
        self.violations.append(f"life {self._job.life}, after {self.kills.total()} kills: {what}")


def _events(rows: list[list[Any]]) -> list[Event]:
    return [decode(tuple(row)) for row in rows]


def _open_calls(events: list[Event]) -> list[Call]:
    """The calls that began and have no end, by what is recorded."""
    begun: dict[Call, None] = {}
    for event in events:
        match event:
            case StepStarted() if event.arguments is not None:
                begun[event.step_id, event.index] = None
            case StepProgress() | StepRetrying() | DoubtSettled():
                begun.pop((event.step_id, event.index), None)
            case StepFinished() if event.status not in ("waiting", "cancelled"):
                begun.pop((event.step_id, None), None)
    return list(begun)


def _effect(tools: dict[str, str], call: Call) -> str:
    # The items of the plans are their own numbers.
    key = call_key(*call)
    return f"put:{key}" if tools.get(call[0]) == "put" else key
