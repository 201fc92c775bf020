"""Erasing what runs say of somebody: payloads go, events stay.

A run whose payloads were erased is shown without them; what needs one of them, such as to resume
it, says `payload_erased`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import text

from treadle.core.database import Database, DatabaseUrl
from treadle.core.erasing import Wanted
from treadle.core.errors import RunError
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.memory.erasure.comparing import in_thread_if_long
from treadle.memory.erasure.sought import strings_of

ERASED = "[erased]"
"""What stands where a text was that is not a payload: an error's message, a label."""

_BATCH = 500

_EVENTS = (
    "select run_id, seq, kind, body, payload from event"
    " where run_id = :run_id and seq > :seq order by seq limit :most"
)
_RUNS = "select run_id, parent_id, task from run order by run_id"
_DIGEST = re.compile(r'"artifact": ?"sha256:([0-9a-f]{64})"')
_UPDATE = "update event set body = :body, payload = :payload where run_id = :run_id and seq = :seq"


_Row: TypeAlias = tuple[int, str, str, str | None]
"""Number, kind, body and payload of an event."""


class JournalErasure:
    """Erases from a journal; one of the places that an `Eraser` of memory looks through.

    A run that goes on meanwhile in another process has its texts in that process: cancel it first.

    artifacts: the folder with the large outputs of its runs.
    run_ids: the runs that are looked at, with those that their steps have started, where they are
        not all of the same tenant; None for all. Of the large outputs theirs alone go then.
    """

    def __init__(
        self,
        database: Database,
        artifacts: Path | None = None,
        run_ids: Collection[str] | None = None,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._run_ids = run_ids

    @property
    def url(self) -> DatabaseUrl:
        """The database of the journal."""
        return self._database.url

    async def purge(self, sought: Wanted) -> Mapping[str, int]:
        """Erase payloads, messages and stored outputs in which something sought stands."""
        done: Counter[str] = Counter()
        # The files are deleted last: until then they tell which payloads describe them.
        files = await run_in_thread(lambda: list(_files_with(self._artifacts, sought)))
        runs = await self._runs()
        if self._run_ids is not None and files:
            theirs = await self._digests([run_id for run_id, _ in runs])
            files = [each for each in files if each.stem in theirs]
        digests = {each.stem for each in files}
        for run_id, task in runs:
            if task is not None and sought.found_in_any(strings_of(json.loads(task))):
                await self._write(
                    "update run set task = :task where run_id = :run_id",
                    [{"task": json.dumps(ERASED), "run_id": run_id}],
                )
                done["run"] += 1
            done["event"] += await self._run(run_id, sought, digests)
            done["command"] += await self._commands(run_id, sought)
        for each in files:
            each.unlink(missing_ok=True)
            done["artifact file"] += 1
        return +done

    async def _runs(self) -> list[tuple[str, str | None]]:
        async with self._database.reading() as connection:
            rows = await connection.execute(text(_RUNS))
            found = {row.run_id: row for row in rows}
        theirs = None if self._run_ids is None else set(self._run_ids)
        return [
            (run_id, row.task)
            for run_id, row in found.items()
            if theirs is None or not theirs.isdisjoint(_above(run_id, found))
        ]

    async def _digests(self, run_ids: Iterable[str]) -> set[str]:
        """Of the stored outputs that these runs describe."""
        found: set[str] = set()
        for run_id in run_ids:
            async for rows in self._events(run_id):
                for *_, payload in rows:
                    if payload is not None:
                        found.update(_DIGEST.findall(payload))
        return found

    async def _run(self, run_id: str, sought: Wanted, digests: Collection[str]) -> int:
        """How many events of a run have lost something."""
        count = 0
        deltas: list[tuple[int, str]] = []
        async for rows in self._events(run_id):
            deltas += [
                (seq, json.loads(body).get("text", ""))
                for seq, kind, body, _ in rows
                if kind == "answer_delta"
            ]

            def blanked(rows: Sequence[_Row] = rows) -> list[dict[str, object]]:
                return list(_changed(run_id, rows, sought, digests))

            texts = (each or "" for _, _, *stored in rows for each in stored)
            changed = await in_thread_if_long(texts, blanked)
            await self._write(_UPDATE, changed)
            count += len(changed)
        # An answer is written in pieces, and a name may be cut by them.
        answer = "".join(piece for _, piece in deltas)
        if await in_thread_if_long([answer], lambda: sought.found_in(answer)):
            blank: list[dict[str, object]] = [
                {"run_id": run_id, "seq": seq, "body": json.dumps({"text": ""}), "payload": None}
                for seq, _ in deltas
            ]
            await self._write(_UPDATE, blank)
            count += len(blank)
        return count

    async def _events(self, run_id: str) -> AsyncIterator[list[_Row]]:
        last = -1
        while True:
            values = {"run_id": run_id, "seq": last, "most": _BATCH}
            async with self._database.reading() as connection:
                found = (await connection.execute(text(_EVENTS), values)).all()
            if not found:
                return
            yield [(row.seq, row.kind, row.body, row.payload) for row in found]
            last = found[-1].seq

    async def _commands(self, run_id: str, sought: Wanted) -> int:
        """How many things that were asked of the run are taken back: nobody has seen them yet."""
        query = text("select command_id, body from command where run_id = :run_id")
        async with self._database.reading() as connection:
            rows = (await connection.execute(query, {"run_id": run_id})).all()
        gone: list[dict[str, object]] = [
            {"id": row.command_id}
            for row in rows
            if sought.found_in_any(strings_of(json.loads(row.body)))
        ]
        await self._write("delete from command where command_id = :id", gone)
        return len(gone)

    async def _write(self, statement: str, rows: Sequence[dict[str, object]]) -> None:
        if not rows:
            return
        async with self._database.writing() as connection:
            if self._database.url.is_sqlite:
                await connection.execute(text("PRAGMA secure_delete = ON"))
            await connection.execute(text(statement), rows)


def _changed(
    run_id: str, rows: Sequence[_Row], sought: Wanted, digests: Collection[str]
) -> Iterator[dict[str, object]]:
    """Those of `rows` in which something stands, without it."""
    for seq, _, body, payload in rows:
        new = _blanked_body(run_id, body, sought), _blanked_payload(payload, sought, digests)
        if new != (body, payload):
            yield {"run_id": run_id, "seq": seq, "body": new[0], "payload": new[1]}


def _blanked_payload(stored: str | None, sought: Wanted, digests: Collection[str]) -> str | None:
    """The payloads of a row without those in which something stands; [] is an erased one."""
    if stored is None:
        return None
    payloads: dict[str, list[Any]] = _loaded(stored)
    gone = {
        name
        for name, held in payloads.items()
        if held and (_describes(held[0], digests) or sought.found_in_any(strings_of(held[0])))
    }
    if not gone:
        return stored
    return _dumped({name: [] if name in gone else held for name, held in payloads.items()})


def _describes(value: JsonValue, digests: Collection[str]) -> bool:
    """Whether it stands for a stored output that is to go."""
    return isinstance(value, dict) and str(value.get("artifact", ""))[7:] in digests


def _above(run_id: str, runs: Mapping[str, Any]) -> list[str]:
    """A run and those that it is part of."""
    chain: list[str] = []
    while run_id in runs and run_id not in chain:
        chain.append(run_id)
        run_id = runs[run_id].parent_id or ""
    return chain


def _blanked_body(run_id: str, stored: str, sought: Wanted) -> str:
    """The fields of a row with ERASED for texts in which something stands.

    What tells tools and codes apart stays, so that the run can be read. A step that is called by a
    name that is sought gets another, the same in all events.
    """
    body: dict[str, Any] = _loaded(stored)
    changed = False
    for holder, key in _texts(body):
        if sought.found_in(holder[key]):
            holder[key] = ERASED
            changed = True

    def renamed(name: str) -> str:
        """The id of a step, or `RUN/STEP`."""
        nonlocal changed
        before, slash, step = name.rpartition("/")
        if not sought.found_in(step):
            return name
        changed = True
        digest = sha256(f"{before or run_id}/{step}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"{before}{slash}erased_{digest[:12]}"

    _rename_steps(body, renamed)
    return _dumped(body) if changed else stored


def _rename_steps(body: dict[str, Any], renamed: Callable[[str], str]) -> None:
    for key in ("step_id", "parent", "forked_from"):
        if isinstance(body.get(key), str):
            body[key] = renamed(body[key])
    for key in ("step_ids", "needs", "asks", "reopened"):
        if isinstance(body.get(key), list):
            body[key] = [renamed(each) if isinstance(each, str) else each for each in body[key]]
    for error in (body.get("error"), *(body.get("errors") or ())):
        if isinstance(error, dict) and isinstance(error.get("step"), str):
            error["step"] = renamed(error["step"])
    for key in ("reasons", "input_hashes"):
        if isinstance(body.get(key), dict):
            body[key] = {renamed(step): said for step, said in body[key].items()}


def _texts(body: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """The texts in a body that say something, each by what holds it and its place there."""
    for key in ("text", "reason"):
        if isinstance(body.get(key), str):
            yield body, key
    for error in (body.get("error"), *(body.get("errors") or ())):
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            yield error, "message"
    reasons = body.get("reasons")
    if isinstance(reasons, dict):
        yield from ((reasons, key) for key in reasons if isinstance(reasons[key], str))
    labels = body.get("taint")
    if isinstance(labels, list):
        yield from ((labels, at) for at, label in enumerate(labels) if isinstance(label, str))


def _loaded(stored: str) -> dict[str, Any]:
    try:
        loaded = json.loads(stored)
    except (ValueError, RecursionError) as error:
        raise RunError("journal_damaged", f"an event cannot be read: {error}") from error
    if not isinstance(loaded, dict):
        raise RunError("journal_damaged", "an event is no object")
    return loaded


def _dumped(value: dict[str, Any]) -> str:
    # As the codec does: NaN is written as such.
    return json.dumps(value, separators=(",", ":"))


def _files_with(folder: Path | None, sought: Wanted) -> Iterator[Path]:
    """The stored outputs in which something stands, half-written ones included."""
    if folder is None or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".json", ".partial"):
            continue
        content = path.read_bytes().decode("utf-8", "replace")
        try:
            found = sought.found_in_any(strings_of(json.loads(content)))
        except (ValueError, RecursionError):
            found = sought.found_in(content)
        if found:
            yield path
