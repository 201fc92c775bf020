# ruff: noqa: SIM117 - a Runtime, and a run within it: one line each
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.crashing import SECONDS, die, elsewhere, happened, open_runtime, pipe, start

from treadle import Plan
from treadle.core.clock import SystemClock
from treadle.core.database import DatabaseUrl
from treadle.core.errors import RunError
from treadle.core.event_log import EventLog
from treadle.core.events import AnswerDelta, Event, RunFinished, RunStarted, StepStarted
from treadle.executor.journal import Command, Journal, Recording
from treadle.executor.journal.holder import Holder


@asynccontextmanager
async def opened(url: str, **options: float) -> AsyncIterator[Journal]:
    journal = Journal(DatabaseUrl.parse(url), **options)
    try:
        yield journal
    finally:
        async with asyncio.timeout(SECONDS):
            await journal.close()


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    async with opened(database_url) as made:
        yield made


def log_of(recording: Recording, events: list[Event] | None = None) -> EventLog:
    log = EventLog(recording.run_id, SystemClock(), recording, events or [])
    recording.log = log
    return log


async def write(journal: Journal, run_id: str, count: int = 3) -> list[Event]:
    """A finished run of `count` events."""
    recording = await journal.begin(run_id, task="do it", now=1.0)
    log = log_of(recording)
    for number in range(count - 1):
        log.append(AnswerDelta(text=str(number)))
    log.append(RunFinished(status="succeeded"))
    await journal.leave(recording)
    return log.events


async def set_row(journal: Journal, run_id: str, **values: Any) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in values)
    async with journal.database.writing() as connection:
        await connection.execute(
            text(f"update run set {columns} where run_id = :run_id"),
            {"run_id": run_id, **values},
        )


def code(error: Any) -> str:
    return str(error.value.code)


# ---- what is written ----------------------------------------------------------------------------


async def test_what_was_written_is_read_by_another(journal: Journal, database_url: str) -> None:
    written = await write(journal, "r1", 50)
    async with opened(database_url) as other:
        assert await other.events("r1") == written
        row = await other.row("r1")
    assert (row.status, row.task, row.parent_id) == ("succeeded", "do it", None)
    assert row.finished_at == written[-1].at


async def test_a_task_with_odd_characters(journal: Journal) -> None:
    task = "a\0b\ud800'\";--\U0001f600"
    recording = await journal.begin("r1", task=task, now=1.0)
    await journal.leave(recording)
    assert (await journal.row("r1")).task == task


async def test_runs_do_not_mix(journal: Journal) -> None:
    logs = []
    recordings = []
    for run_id in ("r1", "r2", "r3"):
        recordings.append(await journal.begin(run_id, task=None, now=1.0))
        logs.append(log_of(recordings[-1]))
    for number in range(30):
        logs[number % 3].append(AnswerDelta(text=str(number)))
        if number % 7 == 0:
            await asyncio.sleep(0)
    for recording, log in zip(recordings, logs, strict=True):
        await journal.leave(recording)
        assert await journal.events(recording.run_id) == log.events


async def test_an_event_is_seen_only_when_it_is_kept(journal: Journal, database_url: str) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    log = log_of(recording)
    async with opened(database_url) as other:

        async def watch() -> None:
            async for event in log.follow():
                kept = await other.events("r1")
                assert len(kept) > event.seq, "seen before it was kept"

        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            group.create_task(watch())
            for number in range(40):
                log.append(AnswerDelta(text=str(number)), durable=number % 3 == 0)
                if number % 5 == 0:
                    await asyncio.sleep(0)
            log.append(RunFinished(status="succeeded"))
    await journal.leave(recording)


async def test_what_happens_in_one_turn_is_one_transaction(
    journal: Journal, database_url: str
) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    log = log_of(recording)
    sizes = []
    async with opened(database_url) as other:
        for _ in range(10):
            for number in range(7):
                log.append(AnswerDelta(text=str(number)))
            before = len(log.events)
            await recording.flushed()
            sizes.append(len(await other.events("r1")))
            assert sizes[-1] == before
    await journal.leave(recording)


async def test_durable_returns_when_it_is_on_the_disk(journal: Journal, database_url: str) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    log = log_of(recording)
    async with opened(database_url) as other:
        for number in range(5):
            log.append(AnswerDelta(text="x"))
            await log.durable()
            assert len(await other.events("r1")) == number + 1
    await journal.leave(recording)


async def test_many_waiters_all_return(journal: Journal) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    log = log_of(recording)
    log.append(RunStarted())
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(log.durable() for _ in range(50)), recording.flushed())
    await journal.leave(recording)


async def test_a_cancelled_waiter_does_not_stop_the_others(journal: Journal) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    log = log_of(recording)
    log.append(RunStarted())
    waiters = [asyncio.ensure_future(log.durable()) for _ in range(5)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    waiters[3].cancel()
    async with asyncio.timeout(SECONDS):
        ended = await asyncio.gather(*waiters, return_exceptions=True)
    assert [isinstance(each, BaseException) for each in ended] == [True, False, False, True, False]
    await journal.leave(recording)


async def test_a_lost_event_is_damage(journal: Journal) -> None:
    await write(journal, "r1", 5)
    async with journal.database.writing() as connection:
        await connection.execute(text("delete from event where seq = 2"))
    with pytest.raises(RunError) as caught:
        await journal.events("r1")
    assert code(caught) == "journal_damaged"


async def test_unknown_runs(journal: Journal) -> None:
    for asked in (journal.row("nobody"), journal.events("nobody"), journal.take("nobody")):
        with pytest.raises(RunError) as caught:
            await asked
        assert code(caught) == "run_not_found"


async def test_a_command_for_an_unknown_run(journal: Journal) -> None:
    with pytest.raises(RunError) as caught:
        await journal.ask("nobody", "cancel", {})
    assert code(caught) == "run_not_found"


async def test_a_run_id_is_used_once(journal: Journal) -> None:
    await write(journal, "r1")
    with pytest.raises(RunError) as caught:
        await journal.begin("r1", task=None, now=2.0)
    assert code(caught) == "run_exists"


async def test_a_run_id_is_used_once_by_two_at_once(journal: Journal, database_url: str) -> None:
    async with opened(database_url) as other:
        await asyncio.gather(journal.runs(), other.runs())  # both have their connections
        begun = await asyncio.gather(
            journal.begin("r1", task=None, now=1.0),
            other.begin("r1", task=None, now=1.0),
            return_exceptions=True,
        )
        got = [each for each in begun if isinstance(each, Recording)]
        assert len(got) == 1
        await (journal if begun[0] is got[0] else other).leave(got[0])
        assert [each.code for each in begun if isinstance(each, RunError)] == ["run_exists"]


async def test_the_list_of_runs(journal: Journal) -> None:
    for number in range(5):
        recording = await journal.begin(f"r{number}", task=None, now=float(number))
        await journal.leave(recording)
    child = await journal.begin("c", task=None, now=9.0, parent_id="r1")
    await journal.leave(child)
    assert [row.run_id for row in await journal.runs(3)] == ["r4", "r3", "r2"]
    assert [row.run_id for row in await journal.children("r1")] == ["c"]


# ---- who holds a run ----------------------------------------------------------------------------


async def test_a_run_is_held_once(journal: Journal, database_url: str) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    async with opened(database_url) as other:
        for each in (journal, other):
            with pytest.raises(RunError) as caught:
                await each.take("r1")
            assert code(caught) == "run_held"
        await journal.leave(recording)
        taken = await other.take("r1")
        assert taken.fence > recording.fence
        await other.leave(taken)


async def test_release_gives_the_status_back(journal: Journal) -> None:
    await write(journal, "r1")
    before = await journal.row("r1")
    recording = await journal.take("r1")
    assert (await journal.row("r1")).status == "running"
    await journal.release(recording, before.status, before.finished_at)
    assert await journal.row("r1") == before


def _hold(url: str, end: Any) -> None:
    async def main() -> None:
        async with opened(url) as journal:
            recording = await journal.begin("r1", task=None, now=1.0)
            log_of(recording).append(RunStarted())
            await recording.durable()
            end.send("held")
            end.recv()
            die()

    asyncio.run(main())


async def test_a_live_holder_keeps_a_run_and_a_dead_one_does_not(
    journal: Journal, database_url: str
) -> None:
    here, there = pipe()
    process = start(_hold, database_url, there)
    try:
        assert here.poll(SECONDS)
        assert here.recv() == "held"
        with pytest.raises(RunError) as caught:
            await journal.take("r1")
        assert code(caught) == "run_held"
        assert (await journal.row("r1")).status == "running"
        process.kill()
        process.join(SECONDS)
        assert (await journal.row("r1")).status == "interrupted"
        recording = await journal.take("r1")
        assert len(await journal.events("r1")) == 1
        await journal.leave(recording)
    finally:
        process.kill()
        process.join(SECONDS)


async def test_another_process_that_was_given_the_number_is_not_the_holder(
    journal: Journal,
) -> None:
    await write(journal, "r1")
    me = Holder.this_process()
    await set_row(journal, "r1", holder=str(Holder(me.host, me.pid, me.started - 1000)))
    recording = await journal.take("r1")
    await journal.leave(recording)


ELSEWHERE = "another-host.0b0b/77/1.00"


async def test_a_silent_holder_on_another_host_is_superseded(
    database_url: str,
) -> None:
    async with opened(database_url, silence=0.1) as journal:
        await write(journal, "r1")
        await set_row(journal, "r1", holder=ELSEWHERE, status="running")
        async with asyncio.timeout(SECONDS):
            recording = await journal.take("r1")
        await journal.leave(recording)


async def test_a_holder_on_another_host_that_gives_signs_of_life_is_not(
    journal: Journal, database_url: str
) -> None:
    await write(journal, "r1")
    await set_row(journal, "r1", holder=ELSEWHERE, status="running")

    async with opened(database_url) as other:

        async def beat() -> None:
            while True:
                async with other.database.writing() as connection:
                    await connection.execute(text("update run set heartbeat = heartbeat + 1"))
                await asyncio.sleep(0.05)

        beating = asyncio.ensure_future(beat())
        try:
            async with asyncio.timeout(SECONDS):
                with pytest.raises(RunError) as caught:
                    await journal.take("r1")
            assert code(caught) == "run_held"
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating


async def test_one_of_two_that_take_a_run_at_once_gets_it(
    journal: Journal, database_url: str
) -> None:
    await write(journal, "r1")
    async with opened(database_url) as other:
        async with asyncio.timeout(SECONDS):
            taken = await asyncio.gather(
                journal.take("r1"), other.take("r1"), return_exceptions=True
            )
        got = [each for each in taken if isinstance(each, Recording)]
        assert len(got) == 1
        assert [each.code for each in taken if isinstance(each, RunError)] == ["run_held"]
        await (journal if taken[0] is got[0] else other).leave(got[0])


@pytest.mark.parametrize("holder", ["", "x", "a/b/c", "//", "host/1"])
async def test_a_damaged_holder_is_an_error_of_ours(database_url: str, holder: str) -> None:
    async with opened(database_url, silence=0.1) as journal:
        await write(journal, "r1")
        await set_row(journal, "r1", holder=holder, status="running")
        with contextlib.suppress(RunError):
            await journal.row("r1")
        with contextlib.suppress(RunError):
            await journal.leave(await journal.take("r1"))


# ---- fencing ------------------------------------------------------------------------------------


async def test_what_was_taken_over_writes_nothing_more(journal: Journal, database_url: str) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    log = log_of(recording)
    log.append(RunStarted())
    await recording.durable()
    failures: list[RunError] = []
    recording.failed = failures.append
    beside = await journal.begin("r2", task=None, now=1.0)
    beside_log = log_of(beside)

    await set_row(journal, "r1", fence=recording.fence + 1)
    log.append(AnswerDelta(text="too late"))
    beside_log.append(RunStarted())  # in the same transaction, and its run is still ours
    with pytest.raises(RunError) as caught:
        await log.durable()
    assert code(caught) == "run_taken_over"
    log.append(RunFinished(status="succeeded"))
    await journal.leave(recording)
    await journal.leave(beside)

    assert [error.code for error in failures] == ["run_taken_over"]
    async with opened(database_url) as other:
        assert len(await other.events("r1")) == 1
        assert len(await other.events("r2")) == 1
        assert (await other.row("r1")).status != "succeeded"


async def test_a_run_that_was_taken_over_stops(database_url: str, tmp_path: Path) -> None:
    plan = Plan.from_wire(
        {
            "steps": [
                {"id": "a", "tool": "look", "args": {"x": 1}},
                {"id": "b", "tool": "look", "args": {"x": 2}},
                {"id": "w", "tool": "look", "args": {"x": 3}, "after": ["b"]},
            ]
        }
    )
    (tmp_path / "hold-1").touch()
    (tmp_path / "hold-2").touch()
    async with opened(database_url) as thief, open_runtime(database_url, tmp_path) as runtime:
        async with runtime.stream(plan) as stream:
            async for event in stream:
                if isinstance(event, StepStarted) and event.step_id == "b":
                    await set_row(thief, "run-1", fence=2, holder=ELSEWHERE)
                    from treadle.planner.patch import PlanPatch

                    # Anything that is recorded: here a change of the plan.
                    stream.patch(PlanPatch.from_wire({"answer": "${a}"}))
        kept = await thief.events("run-1")
        row = await thief.row("run-1")
    assert stream.result.status == "failed"
    assert stream.result.error is not None
    assert stream.result.error.code == "run_taken_over"
    assert not any(isinstance(event, RunFinished) for event in kept)
    assert row.status == "running"
    assert "3" not in happened(tmp_path, "look")


async def test_no_effect_after_a_take_over(database_url: str, tmp_path: Path) -> None:
    """The intent cannot be kept any more, so the effect must not be."""
    plan = Plan.from_wire({"steps": [{"id": "w", "tool": "write", "args": {"x": 1}}]})

    async with opened(database_url) as thief:

        async def approve(request: Any) -> bool:
            await set_row(thief, "run-1", fence=2, holder=ELSEWHERE)
            return True

        async with open_runtime(database_url, tmp_path, approve=approve) as runtime:
            result = await runtime.run(plan)
    assert result.error is not None
    assert result.error.code == "run_taken_over"
    assert happened(tmp_path, "write") == []


def _take(url: str) -> None:
    async def main() -> None:
        async with opened(url) as journal:
            await journal.leave(await journal.take("r1"))

    asyncio.run(main())


async def test_a_run_whose_journal_failed_can_be_resumed_while_its_process_lives(
    journal: Journal, tmp_path: Path
) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    async with journal.database.writing() as connection:
        if journal.url.is_sqlite:
            refuse = "create trigger no before insert on event begin select raise(abort, 'no'); end"
        else:
            await connection.execute(
                text(
                    "create function no() returns trigger language plpgsql as"
                    " 'begin raise exception ''no''; end'"
                )
            )
            refuse = "create trigger no before insert on event for each row execute function no()"
        await connection.execute(text(refuse))
    log_of(recording).append(RunStarted())
    with pytest.raises(RunError):
        await recording.durable()
    await journal.leave(recording)
    async with journal.database.writing() as connection:
        await connection.execute(
            text("drop trigger no" if journal.url.is_sqlite else "drop trigger no on event")
        )
    assert await asyncio.to_thread(elsewhere, _take, str(journal.url)) == 0


# ---- what others ask ----------------------------------------------------------------------------


async def commands(
    journal: Journal, recording: Recording, act: Callable[[list[Command]], bool]
) -> list[Command]:
    """The commands that come until `act` is content with them."""
    got: list[Command] = []
    enough = asyncio.Event()

    def take(command: Command) -> None:
        got.append(command)
        if act(got):
            enough.set()

    await journal.watch(recording, take)
    async with asyncio.timeout(SECONDS):
        await enough.wait()
    return got


async def test_commands_come_in_order_and_once(journal: Journal, database_url: str) -> None:
    recording = await journal.begin("r1", task=None, now=1.0)
    async with opened(database_url) as other:
        await other.ask("r1", "answer", {"step": "a\0\ud800", "approved": True})
        await other.ask("r1", "cancel", {})
        got = await commands(journal, recording, lambda got: len(got) == 2)
        await other.ask("r1", "pause", {})
        got += await commands(journal, recording, lambda got: len(got) == 1)
    assert [each.kind for each in got] == ["answer", "cancel", "pause"]
    assert got[0].body == {"step": "a\0\ud800", "approved": True}
    await journal.leave(recording)


async def test_an_answer_outlives_a_crash_and_a_cancel_does_not(journal: Journal) -> None:
    await write(journal, "r1")
    await journal.ask("r1", "cancel", {})
    await journal.ask("r1", "pause", {})
    await journal.ask("r1", "answer", {"step": "a", "approved": True})
    recording = await journal.take("r1")
    got = await commands(journal, recording, lambda got: bool(got))
    assert [each.kind for each in got] == ["answer"]
    await journal.leave(recording)


async def test_a_command_that_is_committed_after_a_later_one_is_not_lost(
    postgres_url: str,
) -> None:
    """The server counts when a command is inserted, and shows it when that is committed."""
    got: list[str] = []
    both = asyncio.Event()

    def take(command: Command) -> None:
        got.append(command.kind)
        if len(got) == 1:
            first.set()
        else:
            both.set()

    first = asyncio.Event()
    async with opened(postgres_url) as journal, opened(postgres_url) as other:
        recording = await journal.begin("r1", task=None, now=1.0)
        await journal.watch(recording, take)
        async with other.database.writing() as connection:
            await connection.execute(
                text(
                    "insert into command (run_id, kind, body, created_at)"
                    " values ('r1', 'cancel', '{}', 0)"
                )
            )
            await other.ask("r1", "pause", {})
            async with asyncio.timeout(SECONDS):
                await first.wait()
        try:
            async with asyncio.timeout(SECONDS):
                await both.wait()
        finally:
            await journal.leave(recording)
    assert sorted(got) == ["cancel", "pause"]


async def test_commands_of_other_runs_are_left_to_them(journal: Journal, database_url: str) -> None:
    first = await journal.begin("r1", task=None, now=1.0)
    await journal.begin("r2", task=None, now=1.0)
    async with opened(database_url) as other:
        await other.ask("r2", "answer", {"step": "a"})
        await other.ask("r1", "cancel", {})
        got = await commands(journal, first, lambda got: bool(got))
        assert [(each.run_id, each.kind) for each in got] == [("r1", "cancel")]
        async with other.database.reading() as connection:
            left = await connection.execute(text("select run_id from command where run_id = 'r2'"))
            assert left.scalars().all() == ["r2"]
    await journal.leave(first)


async def running(database_url: str, folder: Path, kind: Any, body: dict[str, Any]) -> Any:
    """A run that is asked for something once its first step has started."""
    (folder / "hold-1").touch()
    wire: dict[str, Any] = {
        "steps": [
            {"id": "a", "tool": "look", "args": {"x": 1}},
            {"id": "w", "tool": "write", "args": {"x": 2}},
        ]
    }
    async with opened(database_url) as other, open_runtime(database_url, folder) as runtime:
        async with asyncio.timeout(SECONDS), runtime.stream(Plan.from_wire(wire)) as stream:
            async for event in stream:
                if isinstance(event, StepStarted) and event.step_id == "a":
                    await other.ask("run-1", kind, body)
                if type(event).__name__ == "ApprovalAnswered":
                    stream.cancel()
        return stream.result


async def test_another_process_cancels(database_url: str, tmp_path: Path) -> None:
    result = await running(database_url, tmp_path, "cancel", {})
    assert result.status == "cancelled"
    assert happened(tmp_path, "write") == []


async def test_another_process_answers(database_url: str, tmp_path: Path) -> None:
    result = await running(
        database_url, tmp_path, "answer", {"step": "w", "approved": False, "reason": "no"}
    )
    denied = next(step for step in result.steps if step.id == "w")
    assert denied.error.code == "approval_denied"


async def test_a_command_that_makes_no_sense_does_not_stop_the_others(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "hold-1").touch()
    wire: dict[str, Any] = {"steps": [{"id": "a", "tool": "look", "args": {"x": 1}}]}
    begun = time.monotonic()
    async with opened(database_url) as other, open_runtime(database_url, tmp_path) as runtime:
        async with runtime.stream(Plan.from_wire(wire)) as stream:
            async for event in stream:
                if isinstance(event, StepStarted):
                    await other.ask("run-1", "answer", {})
                    await other.ask("run-1", "cancel", {})
                    break
            try:
                async with asyncio.timeout(SECONDS):
                    await stream.ended()
            except TimeoutError:
                pytest.fail(f"not cancelled after {time.monotonic() - begun:.0f} s")
    assert stream.result.status == "cancelled"


async def test_another_process_pauses(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    wire: dict[str, Any] = {
        "steps": [
            {"id": "a", "tool": "look", "args": {"x": 2}},
            {"id": "g", "tool": "gate"},
            {"id": "z", "tool": "look", "args": {"x": 3}, "after": ["g"]},
        ]
    }
    from tests.crashing import tools

    from treadle import tool

    open_gate = asyncio.Event()

    @tool(effect="read")
    async def gate() -> str:
        """Wait until the test says so."""
        await open_gate.wait()
        return "open"

    async with opened(database_url) as other:
        everything = [gate, *tools(tmp_path)]
        async with open_runtime(database_url, tmp_path, tools=everything) as runtime:
            async with asyncio.timeout(SECONDS), runtime.stream(Plan.from_wire(wire)) as stream:
                await _until(lambda: any(isinstance(e, StepStarted) for e in stream.events))
                await other.ask("run-1", "pause", {})
                while True:
                    async with other.database.reading() as connection:
                        left = await connection.execute(text("select 1 from command"))
                        if left.first() is None:
                            break
                open_gate.set()
                async for _ in stream:
                    pass
    assert stream.result.status == "paused"
    assert "3" not in happened(tmp_path, "look")


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0)
