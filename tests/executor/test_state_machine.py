"""Runs are submitted, fail, are cancelled, paused, patched, killed and resumed, in any order.

The Runtime lives in a process of its own, which a crash really kills. The machine decides when
each call ends; the world is a file that every call with effects writes to.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.crashing import SECONDS, allow, open_runtime, pipe, start

from treadle import Plan, tool
from treadle.core.database import DatabaseUrl
from treadle.core.errors import ToolError, TreadleError
from treadle.core.events import (
    DoubtSettled,
    Event,
    RunFinished,
    RunResumed,
    StepFinished,
    StepStarted,
)
from treadle.executor.journal import Journal
from treadle.executor.journal.codec import encode
from treadle.planner.patch import PlanPatch

EFFECTS = {"write"}


def step(number: int, name: str, needs: list[int], on_failure: str = "fail") -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "tool": name,
        "args": {"step": f"s{number}"},
        "after": [f"s{each}" for each in needs],
        "on_failure": on_failure,
    }


# ---- the other process --------------------------------------------------------------------------


class Life:
    """One process: a Runtime, and the calls of its tools, which end when they are told to."""

    def __init__(self, url: str, folder: Path, end: Any) -> None:
        self.url, self.folder, self.end = url, folder, end
        self.open: dict[str, asyncio.Future[str]] = {}
        self.stream: Any = None
        self.reading: asyncio.Task[None] | None = None
        self.kept = 0
        self.over: dict[str, Any] | None = None
        self.changed = asyncio.Event()

    async def call(self, name: str, step_id: str) -> str:
        if name in EFFECTS:
            with (self.folder / "world").open("a") as file:
                file.write(f"{step_id}\n")
        future = self.open[step_id] = asyncio.get_running_loop().create_future()
        self.changed.set()
        try:
            return await future
        finally:
            self.open.pop(step_id, None)
            self.changed.set()

    def tools(self) -> list[Any]:
        @tool(effect="read")
        async def look(step: str) -> str:
            """Read something."""
            return await self.call("look", step)

        @tool(effect="write")
        async def write(step: str) -> str:
            """Write something."""
            return await self.call("write", step)

        return [look, write]

    async def live(self) -> None:
        async with open_runtime(
            self.url, self.folder, tools=self.tools(), approve=allow, max_parallel=50
        ) as runtime:
            while True:
                order = await asyncio.to_thread(self.end.recv)
                if order[0] == "leave":
                    break
                try:
                    self.end.send(await self.obey(runtime, *order))
                except TreadleError as error:
                    self.end.send(("error", error.code))
            await self.leave()
        self.end.send("left")

    async def obey(self, runtime: Any, order: str, *details: Any) -> Any:
        match order:
            case "submit":
                await self.enter(runtime.stream(Plan.from_wire(details[0])))
            case "resume":
                await self.enter(await runtime.reopen("run-1", done=details[0], redo=details[1]))
            case "complete":
                self.open.pop(details[0]).set_result(f"made {details[0]}")
            case "fail":
                self.open.pop(details[0]).set_exception(ToolError("broken", "it broke"))
            case "cancel":
                self.stream.cancel()
            case "pause":
                self.stream.pause()
            case "patch":
                self.stream.patch(PlanPatch.from_wire(details[0]))
            case "expect":
                return await self.expect(*details)
        return ("ok", None)

    async def enter(self, stream: Any) -> None:
        await self.leave()
        self.stream, self.kept = stream, 0
        await stream.__aenter__()
        self.reading = asyncio.create_task(self.read(stream))

    async def leave(self) -> None:
        if self.stream is not None and self.reading is not None:
            await self.stream.__aexit__(None, None, None)
            await self.reading

    async def read(self, stream: Any) -> None:
        """Follow the run: an event that is shown outlives the process."""
        async for event in stream:
            self.kept = event.seq + 1
            self.changed.set()

    async def expect(self, calls: set[str] | None) -> Any:
        """Wait until exactly these calls are open (None: until the run has ended).

        And until what led there is kept: of an end that is not shown yet a crash may leave nothing.
        """
        try:
            async with asyncio.timeout(SECONDS / 2):
                if calls is None:
                    await self.stream.ended()
                    return ("ok", self.stream.result.status)
                while set(self.open) != calls or self.kept < len(self.stream.events):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return ("error", f"open: {sorted(self.open)}")
        return ("ok", None)


def _live(url: str, folder: Path, end: Any) -> None:
    asyncio.run(_lives(url, folder, end))


async def _lives(url: str, folder: Path, end: Any) -> None:
    await Life(url, folder, end).live()


# ---- the machine --------------------------------------------------------------------------------


class Runs(RuleBasedStateMachine):
    """What the machine knows is what a user knows: what was decided, and which calls are open."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="treadle-runs-"))
        self.url = f"sqlite:///{self.folder}/runs.db"
        self.process: Any = None
        self.end: Any = None
        self.steps: dict[str, dict[str, Any]] = {}
        self.state: dict[str, str] = {}
        self.calls: set[str] = set()
        self.doubt: set[str] = set()
        self.redone: Counter[str] = Counter()
        self.under_way = self.paused = False
        self.status: str | None = None

    # -- talking to the process

    def begin(self) -> None:
        self.end, there = pipe()
        self.process = start(_live, self.url, self.folder, there)
        there.close()

    def tell(self, *order: Any) -> Any:
        self.end.send(order)
        assert self.end.poll(SECONDS), f"no answer to {order}"
        kind, detail = self.end.recv()
        assert kind == "ok", (order, detail, self.state)
        return detail

    def settle(self) -> None:
        """Wait for what must follow: the calls that the model says, or the end of the run."""
        if not self.paused:
            for id_, wire in self.steps.items():
                if self.state[id_] == "open" and all(
                    self.state[need] == "succeeded" for need in wire["after"]
                ):
                    if id_ not in self.doubt:
                        self.state[id_] = "running"
                        self.calls.add(id_)
                elif self.state[id_] == "open" and any(
                    self.state[need] in ("failed", "skipped") for need in wire["after"]
                ):
                    self.state[id_] = "skipped"
        if self.calls:
            self.tell("expect", set(self.calls))
            return
        self.under_way = False
        self.status = self.tell("expect", None)
        assert self.status == self.expected(), (self.status, self.state)

    def expected(self) -> str:
        states = set(self.state.values())
        if any(self.state[id_] == "failed" for id_ in self.steps):
            return "failed"
        if "open" in states:
            return "paused" if self.paused else "waiting"
        return "succeeded"

    # -- rules

    @initialize(
        shape=st.lists(
            st.tuples(st.sampled_from(["look", "write"]), st.sets(st.integers(0, 5), max_size=2)),
            min_size=1,
            max_size=6,
        )
    )
    def submit(self, shape: list[tuple[str, set[int]]]) -> None:
        self.begin()
        for number, (name, needs) in enumerate(shape):
            wire = step(number, name, sorted(each for each in needs if each < number))
            self.steps[wire["id"]] = wire
            self.state[wire["id"]] = "open"
        self.tell("submit", {"steps": list(self.steps.values())})
        self.under_way = True
        self.settle()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.calls)))
        self.tell("complete", chosen)
        self.calls.discard(chosen)
        self.state[chosen] = "succeeded"
        self.settle()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.calls)))
        self.tell("fail", chosen)
        self.calls.discard(chosen)
        self.state[chosen] = "failed"
        self.settle()

    @precondition(lambda self: self.calls)
    @rule()
    def cancel(self) -> None:
        self.tell("cancel")
        self.cut_short()
        self.status = self.tell("expect", None)
        assert self.status == "cancelled"

    @precondition(lambda self: self.calls and not self.paused)
    @rule()
    def pause(self) -> None:
        self.tell("pause")
        self.paused = True

    @precondition(
        lambda self: self.calls and not self.paused and "failed" not in self.state.values()
    )
    @rule(name=st.sampled_from(["look", "write"]), data=st.data())
    def patch(self, name: str, data: st.DataObject) -> None:
        if len(self.steps) > 9:
            return
        needs = data.draw(st.sets(st.integers(0, len(self.steps) - 1), max_size=2))
        wire = step(len(self.steps), name, sorted(needs))
        self.tell("patch", {"add": [wire]})
        self.steps[wire["id"]] = wire
        self.state[wire["id"]] = "open"
        self.settle()

    @precondition(lambda self: self.under_way)
    @rule()
    def crash(self) -> None:
        self.process.kill()
        self.process.join(SECONDS)
        self.end.close()
        self.process = None
        self.cut_short()
        self.status = None

    @precondition(lambda self: not self.under_way and self.status not in ("succeeded", "failed"))
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        if self.process is None:
            self.begin()
        decisions = {
            id_: data.draw(st.sampled_from(["done", "redo", "wait"])) for id_ in sorted(self.doubt)
        }
        for id_, decision in decisions.items():
            if decision == "done":
                self.state[id_] = "succeeded"
            elif decision == "redo":
                self.redone[id_] += 1
            if decision != "wait":
                self.doubt.discard(id_)
        by = {
            verdict: [id_ for id_, each in decisions.items() if each == verdict]
            for verdict in ("done", "redo")
        }
        self.tell("resume", by["done"], by["redo"])
        self.under_way, self.paused = True, False
        self.settle()

    @precondition(lambda self: not self.under_way and self.status in ("succeeded", "failed"))
    @rule()
    def resume_what_has_ended(self) -> None:
        if self.process is None:
            self.begin()
        before = [encode(event) for event in self.events()]
        self.tell("resume", [], [])
        assert self.tell("expect", None) == self.status
        assert [encode(event) for event in self.events()] == before

    def cut_short(self) -> None:
        for id_ in self.calls:
            self.state[id_] = "open"
            if self.steps[id_]["tool"] in EFFECTS:
                self.doubt.add(id_)
        self.calls.clear()
        self.under_way = self.paused = False

    # -- what always holds

    def events(self) -> list[Event]:
        async def read() -> list[Event]:
            journal = Journal(DatabaseUrl.parse(self.url))
            try:
                return await journal.events("run-1")
            finally:
                await journal.close()

        return asyncio.run(read())

    @invariant()
    def no_effect_twice_without_a_decision(self) -> None:
        file = self.folder / "world"
        effects = Counter(file.read_text().split() if file.exists() else [])
        for id_, times in effects.items():
            assert times <= 1 + self.redone[id_], (id_, times)

    @precondition(lambda self: not self.under_way and self.steps)
    @invariant()
    def the_record_is_sound(self) -> None:
        events = self.events()
        assert [event.seq for event in events] == list(range(len(events)))
        succeeded: set[str] = set()
        for event in events:
            if isinstance(event, StepStarted | DoubtSettled):
                assert event.step_id not in succeeded, "a completed step runs again"
            elif isinstance(event, StepFinished) and event.status == "succeeded":
                assert event.step_id not in succeeded
                succeeded.add(event.step_id)
            elif isinstance(event, RunFinished):
                following = events[event.seq + 1 : event.seq + 2]
                assert all(isinstance(each, RunResumed) for each in following)
        known = {id_ for id_, state in self.state.items() if state == "succeeded"}
        assert known <= succeeded, "what the run has gone on from is on the disk"
        if self.status is not None:
            assert isinstance(events[-1], RunFinished)
            assert events[-1].status == self.status
            assert succeeded == known

    def teardown(self) -> None:
        if self.process is not None:
            self.end.close()
            self.process.kill()
            self.process.join(SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.mark.timeout(240)  # some ten processes, and a hundred orders to them
class TestRuns(Runs.TestCase):  # type: ignore[name-defined,misc]
    """The machine, for pytest."""


# A failure is worth seeing as it is: making it smaller takes minutes with real processes.
TestRuns.settings = settings(
    max_examples=10,
    stateful_step_count=14,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
