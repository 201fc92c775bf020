"""Erasing from the journal: payloads go, events stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treadle.core.clock import SystemClock
from treadle.core.database import DatabaseUrl
from treadle.core.errors import ErrorInfo, RunError
from treadle.core.event_log import EventLog
from treadle.core.events import (
    AnswerDelta,
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepPlanned,
    StepStarted,
)
from treadle.core.payload import Payload
from treadle.executor.journal import Journal
from treadle.executor.journal.erasure import ERASED, JournalErasure
from treadle.memory.erasure.sought import Sought
from treadle.tools.artifacts import Artifact, ArtifactStore

NAME = "Zuleikha Quartermaine"


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    made = Journal(DatabaseUrl.parse(database_url))
    yield made
    await made.close()


async def write(journal: Journal, run_id: str, task: str, *events: Event) -> None:
    recording = await journal.begin(run_id, task=task, now=1.0)
    log = EventLog(recording.run_id, SystemClock(), recording)
    recording.log = log
    for event in (RunStarted(task=Payload(task)), *events, RunFinished(status="succeeded")):
        log.append(event)
    await journal.leave(recording)


async def test_payloads_go_and_events_stay(journal: Journal) -> None:
    await write(
        journal,
        "r1",
        f"Write to {NAME}.",
        StepStarted(step_id="s", arguments=Payload({"to": [f"dear {NAME.upper()}!"], "n": 1})),
        StepFinished(
            step_id="s",
            status="failed",
            output=Payload({"sent": True}),
            error=ErrorInfo("tool_failed", f"no address of {NAME}"),
            taint=(f"mail of {NAME}", "web"),
        ),
    )
    await write(journal, "r2", "Write to Bo.")
    await journal.ask("r1", "answer", {"reason": f"{NAME} said so"})
    await journal.ask("r2", "answer", {"reason": "Bo said so"})
    erasure = JournalErasure(journal.database)
    done = await erasure.purge(Sought([NAME]))
    assert done == {"run": 1, "event": 3, "command": 1}
    assert await erasure.purge(Sought([NAME])) == {}
    started, called, finished, _ = await journal.events("r1")
    assert isinstance(started, RunStarted)
    assert isinstance(called, StepStarted)
    assert isinstance(finished, StepFinished)
    for payload in (started.task, called.arguments):
        assert payload is not None
        with pytest.raises(RunError) as caught:
            _ = payload.value
        assert caught.value.code == "payload_erased"
    assert finished.output is not None
    assert finished.output.value == {"sent": True}
    assert finished.error == ErrorInfo("tool_failed", ERASED)
    assert finished.taint == (ERASED, "web")
    assert (await journal.row("r1")).task == ERASED
    assert (await journal.row("r2")).task == "Write to Bo."
    first = (await journal.events("r2"))[0]
    assert isinstance(first, RunStarted)
    assert first.task is not None
    assert not first.task.erased


async def test_an_answer_that_was_written_in_pieces(journal: Journal) -> None:
    pieces = [AnswerDelta(text=each) for each in ("Ask Zulei", "kha Quarter", "maine.")]
    await write(journal, "r1", "Whom?", *pieces)
    await write(journal, "r2", "What?", AnswerDelta(text="Ask Bo."))
    assert await JournalErasure(journal.database).purge(Sought([NAME])) == {"event": 3}
    texts = [each.text for each in await journal.events("r1") if isinstance(each, AnswerDelta)]
    assert texts == ["", "", ""]
    texts = [each.text for each in await journal.events("r2") if isinstance(each, AnswerDelta)]
    assert texts == ["Ask Bo."]


async def test_stored_outputs_go_with_what_describes_them(journal: Journal, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    store = ArtifactStore(folder, threshold=100)
    hers = store.keep(["line " * 200, f"signed: {NAME}"])
    other = store.keep(["line " * 200, "signed: Bo"])
    assert isinstance(hers, Artifact)
    assert isinstance(other, Artifact)
    finished = [
        StepFinished(
            step_id=name, status="succeeded", output=Payload(kept.as_json(), artifact=True)
        )
        for name, kept in (("a", hers), ("b", other))
    ]
    await write(journal, "r1", "Read the letters.", *finished)
    # Its preview does not show the name, its content does.
    done = await JournalErasure(journal.database, folder).purge(Sought([NAME]))
    assert done == {"event": 1, "artifact file": 1}
    assert [each.name for each in folder.iterdir()] == [f"{other.digest}.json"]
    events = await journal.events("r1")
    erased = [
        each.output.erased for each in events if isinstance(each, StepFinished) if each.output
    ]
    assert erased == [True, False]


async def test_runs_of_others_are_not_looked_at(journal: Journal) -> None:
    for run_id in ("r1", "r2"):
        await write(journal, run_id, f"Write to {NAME}.")
    erasure = JournalErasure(journal.database, run_ids={"r2"})
    assert await erasure.purge(Sought([NAME])) == {"run": 1, "event": 1}
    assert (await journal.row("r1")).task == f"Write to {NAME}."


async def test_runs_within_a_run_are_its_own_and_so_are_its_large_outputs(
    journal: Journal, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts"
    store = ArtifactStore(folder, threshold=100)
    kept = [store.keep([f"{each} " * 200, f"signed: {NAME}"]) for each in ("mine", "theirs")]
    finished = []
    for each in kept:
        assert isinstance(each, Artifact)
        output = Payload(each.as_json(), artifact=True)
        finished.append(StepFinished(step_id="a", status="succeeded", output=output))
    await write(journal, "r1", "Read the letters.")
    recording = await journal.begin(
        "r1.a.1", task=f"Read what {NAME} wrote.", parent_id="r1", now=1
    )
    recording.log = log = EventLog("r1.a.1", SystemClock(), recording)
    log.append(finished[0])
    await journal.leave(recording)
    await write(journal, "r2", f"Write to {NAME}.", finished[1])
    done = await JournalErasure(journal.database, folder, {"r1"}).purge(Sought([NAME]))
    assert done == {"run": 1, "event": 1, "artifact file": 1}
    assert [each.name for each in folder.iterdir()] == [kept[1].path.name]  # type: ignore[union-attr]
    assert (await journal.row("r2")).task == f"Write to {NAME}."


async def test_a_step_that_is_called_by_the_name_gets_another(journal: Journal) -> None:
    named = "mail_zuleikha_quartermaine"
    await write(
        journal,
        "r1",
        "Write letters.",
        StepPlanned(step_id=named, tool="mail", needs=(), step=Payload({"id": named})),
        StepPlanned(step_id="b", tool="mail", needs=(named,), step=Payload({"id": "b"})),
        StepFinished(
            step_id=named, status="failed", error=ErrorInfo("tool_failed", "no", step_id=named)
        ),
    )
    assert await JournalErasure(journal.database).purge(Sought([NAME])) == {"event": 3}
    _, first, second, finished, _ = await journal.events("r1")
    assert isinstance(first, StepPlanned)
    assert isinstance(second, StepPlanned)
    assert isinstance(finished, StepFinished)
    assert first.step_id.startswith("erased_")
    assert second.needs == (first.step_id,)
    assert finished.step_id == first.step_id
    assert finished.error == ErrorInfo("tool_failed", "no", step_id=first.step_id)
    assert second.step_id == "b"
