"""The outbox: work that follows from what was remembered, and outlives a crash.

A row is written with what it is about, leased to one worker at a time, and removed when its work is
done. A lease that runs out is taken over: a worker that died loses nothing. What fails is tried
again later, each time after twice as long, and is kept with its error when it has failed too often.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue, storable_json
from treadle.memory import tables
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace, Where
from treadle.memory.store import Partition, Store

DEAD = 1e15
"""When dead letters would be tried again: never."""

MOST_ATTEMPTS = 5

LONGEST_LEASE = 3_600.0
"""Seconds."""

_FIRST_DELAY = 2.0
_LONGEST_DELAY = 600.0
_MOST_ERROR = 2_000

_table = tables.outbox


@dataclass(frozen=True, slots=True)
class Errand:
    """One piece of work. item_id: the number of its episode or fact. attempts: with this one."""

    id: int
    task: str
    kind: Kind
    item_id: int
    attempts: int
    payload: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """Errands of one task and one namespace, for one worker until `until` (epoch seconds)."""

    namespace: Namespace
    task: str
    owner: str
    until: float
    errands: tuple[Errand, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An errand that was given up, and why. id: what `Outbox.retry` takes."""

    id: int
    namespace: Namespace
    task: str
    kind: Kind
    item_id: int
    error: str
    payload: Mapping[str, JsonValue] = field(default_factory=dict)


async def post(
    partition: Partition,
    tasks: Sequence[str],
    kind: Kind,
    item_ids: Sequence[int],
    payload: Mapping[str, JsonValue] | None = None,
) -> None:
    """Ask for `tasks` on items, with the transaction; what is asked for already stays one errand.

    payload: of an errand that is there already it takes the place.
    """
    rows = [
        {
            "task": task,
            "kind": int(kind),
            "item_id": item_id,
            # Due at once, whatever the clocks say; the order is that of the numbers.
            "available_at": 0.0,
            "payload": storable_json(payload or {}),
        }
        for item_id in item_ids
        for task in tasks
    ]
    if not rows:
        return
    insert = partition.insert(_table)
    key = ["namespace_id", "task", "kind", "item_id"]
    if payload is None:
        await partition.execute(insert.on_conflict_do_nothing(index_elements=key), rows)
        return
    anew = {
        "payload": insert.excluded.payload,
        "available_at": insert.excluded.available_at,
        "attempts": 0,
        # Who works on it does so with the old payload, and will find it taken away.
        "owner": None,
        "lease_until": None,
    }
    await partition.execute(insert.on_conflict_do_update(index_elements=key, set_=anew), rows)


async def bury(
    partition: Partition,
    task: str,
    kind: Kind,
    item_id: int,
    error: str,
    payload: Mapping[str, JsonValue],
) -> None:
    """Leave a dead letter: a record of what was not done, and why."""
    insert = partition.insert(_table).values(
        task=task,
        kind=int(kind),
        item_id=item_id,
        available_at=DEAD,
        error=error[:_MOST_ERROR],
        payload=storable_json(payload),
    )
    anew = {"error": insert.excluded.error, "payload": insert.excluded.payload}
    await partition.execute(
        insert.on_conflict_do_update(
            index_elements=["namespace_id", "task", "kind", "item_id"], set_=anew
        )
    )


class LeaseTakenOver(Exception):
    """Another worker does the errands, as the lease ran out or they were asked for anew."""


async def finish(partition: Partition, lease: Lease, ids: Collection[int]) -> None:
    """Remove errands within the transaction that has done them.

    Raises LeaseTakenOver where they are not ours any more; that takes the transaction back.
    """
    done = await partition.execute(
        partition.delete(_table).where(_table.c.id.in_(list(ids)), _table.c.owner == lease.owner)
    )
    if done.rowcount < len(ids):
        raise LeaseTakenOver


class Outbox:
    """The outbox of a store, over all its namespaces.

    It hands out numbers and names only; what they stand for is read through a `Partition`.
    """

    def __init__(self, store: Store, *, most_attempts: int = MOST_ATTEMPTS) -> None:
        self._store = store
        self._most_attempts = most_attempts

    async def lease(
        self, task: str, owner: str, *, seconds: float, most: int, fewest: int = 1
    ) -> Lease | None:
        """The oldest due errands of `task`, of one namespace; None where there is nothing to do.

        What failed before is handed out alone, so that it cannot pull others down with it.

        fewest: how many a namespace must have; fewer stay where they are.
        """
        now = self._store.clock.now()
        if not await self._any_due(task, now, fewest):
            return None
        async with self._store.database.writing() as connection:
            chosen = (await connection.execute(self._oldest(task, now, fewest))).first()
            if chosen is None:
                return None
            number, attempts = chosen.namespace_id, chosen.attempts
            due = (
                sa.select(_table.c.id)
                .where(*self._due(task, now), _table.c.namespace_id == number)
                .order_by(_table.c.available_at, _table.c.id)
                .limit(1 if attempts and fewest == 1 else most)
                .with_for_update(skip_locked=True)
            )
            if not attempts and fewest == 1:
                due = due.where(_table.c.attempts == 0)
            taken = await connection.execute(
                sa.update(_table)
                .where(_table.c.id.in_(due))
                .values(owner=owner, lease_until=now + seconds, attempts=_table.c.attempts + 1)
                .returning(
                    _table.c.id,
                    _table.c.kind,
                    _table.c.item_id,
                    _table.c.attempts,
                    _table.c.payload,
                )
            )
            errands = sorted(
                (
                    Errand(
                        row.id,
                        task,
                        Kind(row.kind),
                        row.item_id,
                        row.attempts,
                        json.loads(row.payload),
                    )
                    for row in taken
                ),
                key=lambda errand: errand.id,
            )
            if not errands:
                return None
            names = (
                await connection.execute(
                    sa.select(tables.namespace.c.path, tables.namespace.c.tenant).where(
                        tables.namespace.c.id == number
                    )
                )
            ).one()
        return Lease(
            Namespace(names.path, names.tenant), task, owner, now + seconds, tuple(errands)
        )

    async def done(self, lease: Lease) -> None:
        """Remove errands whose work has been done."""
        async with self._store.writing(lease.namespace) as partition:
            await finish(partition, lease, [errand.id for errand in lease.errands])

    async def failed(self, lease: Lease, error: BaseException, *, for_good: bool = False) -> None:
        """Put errands back for later; after too many attempts, or `for_good`, they are dead."""
        info = ErrorInfo.of(error)
        said = f"{info.code}: {info.message}"[:_MOST_ERROR].replace("\0", "\\0")
        said = said.encode("utf-8", "backslashreplace").decode()
        now = self._store.clock.now()
        async with self._store.writing(lease.namespace) as partition:
            for attempts in {errand.attempts for errand in lease.errands}:
                dead = for_good or attempts >= self._most_attempts
                delay = min(_FIRST_DELAY * 2 ** (attempts - 1), _LONGEST_DELAY)
                ids = [each.id for each in lease.errands if each.attempts == attempts]
                await partition.execute(
                    partition.update(_table)
                    .where(_table.c.id.in_(ids), _table.c.owner == lease.owner)
                    .values(
                        owner=None,
                        lease_until=None,
                        error=said,
                        available_at=DEAD if dead else now + delay,
                    )
                )

    async def release(self, lease: Lease) -> None:
        """Put errands back as they were: their work was not begun, or was cut short."""

        async def put_back(partition: Partition) -> None:
            ids = [errand.id for errand in lease.errands]
            await partition.execute(
                partition.update(_table)
                .where(_table.c.id.in_(ids), _table.c.owner == lease.owner)
                .values(owner=None, lease_until=None, attempts=_table.c.attempts - 1)
            )

        await self._store.write(lease.namespace, put_back)

    async def dead_letters(
        self, most: int = 100, *, namespace: Where = None
    ) -> tuple[DeadLetter, ...]:
        """What was given up in a namespace and below it, the oldest first."""
        async with self._store.counting(namespace) as branch:
            return tuple(
                DeadLetter(
                    row.id,
                    Namespace(row.path, row.tenant),
                    row.task,
                    Kind(row.kind),
                    row.item_id,
                    row.error,
                    json.loads(row.payload),
                )
                for row in await branch.first(_table, most, _table.c.available_at >= DEAD)
            )

    async def retry(self, ids: Collection[int], *, namespace: Where = None) -> int:
        """Try dead letters of a namespace again; how many there were."""
        async with self._store.writing(namespace) as partition:
            done = await partition.execute(
                partition.update(_table)
                .where(_table.c.id.in_(list(ids)), _table.c.available_at >= DEAD)
                .values(available_at=self._store.clock.now(), attempts=0, owner=None)
            )
            return int(done.rowcount)

    async def counts(self, *, namespace: Where = None) -> dict[str, dict[str, int]]:
        """How many errands of a namespace and of those below it are waiting and dead, by task."""
        dead = (_table.c.available_at >= DEAD).label("dead")
        counted: dict[str, dict[str, int]] = {}
        async with self._store.counting(namespace) as branch:
            for row in await branch.count(_table, _table.c.task, dead):
                of_task = counted.setdefault(row.task, {"waiting": 0, "dead": 0})
                of_task["dead" if row.dead else "waiting"] += int(row.number)
        return counted

    async def last_failure(self, *, namespace: Where = None) -> str:
        """Why the last errand of a namespace that waits, or was given up, did not succeed."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table, _table.c.error).where(_table.c.error != "")
            found = await partition.execute(query.order_by(_table.c.id.desc()).limit(1))
            return found.scalar() or ""

    # ---- within --------------------------------------------------------------------------------

    def _due(self, task: str, now: float) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            _table.c.task == task,
            _table.c.available_at <= now,
            sa.or_(
                _table.c.lease_until.is_(None),
                _table.c.lease_until <= now,
                # The clock went back: nobody leases for so long.
                _table.c.lease_until > now + LONGEST_LEASE,
            ),
            # A worker that dies over an errand never says that it failed.
            _table.c.attempts < self._most_attempts,
        )

    def _oldest(self, task: str, now: float, fewest: int) -> sa.Executable:
        """The namespace whose turn it is, and how often its oldest errand was tried."""
        if fewest == 1:
            return (
                sa.select(_table.c.namespace_id, _table.c.attempts)
                .where(*self._due(task, now))
                .order_by(_table.c.available_at, _table.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
        return (
            sa.select(_table.c.namespace_id, sa.func.max(_table.c.attempts).label("attempts"))
            .where(*self._due(task, now))
            .group_by(_table.c.namespace_id)
            .having(sa.func.count() >= fewest)
            .order_by(sa.func.min(_table.c.available_at))
            .limit(1)
        )

    async def _any_due(self, task: str, now: float, fewest: int) -> bool:
        """Whether to take the lock for writing at all; buries what workers died over."""
        worn_out = (
            _table.c.task == task,
            _table.c.available_at < DEAD,
            _table.c.attempts >= self._most_attempts,
            _table.c.lease_until <= now,
        )
        async with self._store.database.reading() as connection:
            found = await connection.execute(
                sa.select(
                    sa.select(sa.func.count())
                    .select_from(
                        sa.select(_table.c.id).where(*self._due(task, now)).limit(fewest).subquery()
                    )
                    .scalar_subquery(),
                    sa.exists().where(*worn_out),
                )
            )
            due, bury = found.one()
        if bury:
            said = "lease_lost: whoever worked on it ended without a word, each time"
            async with self._store.database.writing() as connection:
                await connection.execute(
                    sa.update(_table)
                    .where(*worn_out)
                    .values(available_at=DEAD, owner=None, lease_until=None, error=said)
                )
        return int(due) >= fewest
