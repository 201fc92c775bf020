"""The instruction registry of long jobs: what is to be done next, and what came out of the rest.

After the instruction registry of L2MAC (arXiv 2310.02003): each step of a job sees its own
instruction, a short account of what was done, and the names of the artifacts that it may use;
never the whole output, nor the whole conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.taint import CLEAN, Labels, has_read, labels_here
from treadle.memory import tables
from treadle.memory.learning.artifact import check_name
from treadle.memory.learning.words import (
    checked,
    dumped,
    dumped_labels,
    read_labels,
    read_texts,
    shortened,
)
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store

MOST_TEXT = 20_000
"""Characters of one instruction."""

MOST_OUTCOME = 500
"""Characters that are kept of what came out of one; the rest belongs into artifacts."""

MOST_INSTRUCTIONS = 10_000
"""Of one job."""

CONTEXT = 6_000
"""Characters of a step's context beside its instruction, by default."""

Status = Literal["open", "running", "done", "failed"]
_table = tables.instruction


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a job.

    position: from 1. artifacts: names that the step may read and write.
    outcome: what came out of it, in short.
    """

    job: str
    position: int
    text: str
    status: Status = "open"
    artifacts: tuple[str, ...] = ()
    outcome: str = ""
    taint: Labels = CLEAN


class Instructions:
    """The instructions of a store, by job."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(
        self,
        job: str,
        texts: Iterable[str],
        *,
        namespace: Where = None,
        artifacts: Iterable[str] = (),
        taint: Labels = CLEAN,
    ) -> list[Instruction]:
        """Add steps to the end of a job, which begins with its first.

        Raises InputError (`empty_text`, `text_too_long`, `bad_text`, `bad_artifact_name`,
        `too_many_instructions`).
        """
        taint |= labels_here()
        checked("the name of a job", job, 200)
        names = [check_name(each) for each in artifacts]
        given = [checked("an instruction", each, MOST_TEXT) for each in texts]
        async with self._store.writing(namespace) as partition:
            query = partition.rows(_table, sa.func.max(_table.c.position)).where(
                _table.c.job == job
            )
            last = (await partition.execute(query)).scalar_one() or 0
            if last + len(given) > MOST_INSTRUCTIONS:
                raise InputError(
                    "too_many_instructions",
                    f"a job has at most {MOST_INSTRUCTIONS:,} instructions; begin another job",
                )
            rows = [
                {
                    "job": job,
                    "position": position,
                    "text": text,
                    "artifacts": dumped([*names]),
                    "recorded_at": partition.now,
                    "taint": dumped_labels(taint),
                }
                for position, text in enumerate(given, start=last + 1)
            ]
            if rows:
                await partition.execute(sa.insert(_table), rows)
            return await _rows(partition, job, after=last)

    async def begin(self, job: str, *, namespace: Where = None) -> Instruction | None:
        """The next step that is open, which runs from now on; None where there is none."""
        async with self._store.writing(namespace) as partition:
            query = (
                partition.rows(_table)
                .where(_table.c.job == job, _table.c.status == "open")
                .order_by(_table.c.position)
                .limit(1)
            )
            row = (await partition.execute(query)).first()
            if row is None:
                return None
            await _set(partition, job, row.position, status="running")
            found = await _rows(partition, job, after=row.position - 1, most=1)
        has_read(found[0].taint)
        return found[0]

    async def finish(
        self,
        job: str,
        position: int,
        outcome: str,
        *,
        namespace: Where = None,
        failed: bool = False,
        taint: Labels = CLEAN,
    ) -> Instruction:
        """A step has ended; of `outcome` the first `MOST_OUTCOME` characters are kept.

        Raises InputError (`instruction_not_found`).
        """
        async with self._store.writing(namespace) as partition:
            found = await _rows(partition, job, after=position - 1, most=1)
            if not found or found[0].position != position:
                raise InputError(
                    "instruction_not_found", f"the job {job[:80]!r} has no step {position}"
                )
            await _set(
                partition,
                job,
                position,
                status="failed" if failed else "done",
                outcome=shortened(outcome, MOST_OUTCOME),
                taint=dumped_labels(found[0].taint | taint | labels_here()),
            )
            return (await _rows(partition, job, after=position - 1, most=1))[0]

    async def reopen(self, job: str, *, namespace: Where = None) -> int:
        """Open the steps again that run, or have failed: their process is gone. Gives how many."""
        async with self._store.writing(namespace) as partition:
            done = await partition.execute(
                partition.update(_table)
                .where(_table.c.job == job, _table.c.status.in_(("running", "failed")))
                .values(status="open")
            )
            return int(done.rowcount)

    async def all(self, job: str, *, namespace: Where = None) -> list[Instruction]:
        """The steps of a job, in order."""
        async with self._store.reading(namespace) as partition:
            found = await _rows(partition, job)
        has_read(label for each in found for label in each.taint)
        return found

    async def context(
        self, instruction: Instruction, most: int = CONTEXT, *, namespace: Where = None
    ) -> str:
        """What a step is told beside its instruction, in at most `most` characters: how far the
        job is, which artifacts there are for it, and what came out of the last steps.
        """
        job = instruction.job
        async with self._store.reading(namespace) as partition:
            counts = await _counts(partition, job)
            sizes = await _sizes(partition, instruction.artifacts)
            query = (
                partition.rows(_table)
                .where(
                    _table.c.job == job,
                    _table.c.position < instruction.position,
                    _table.c.status.in_(("done", "failed")),
                )
                .order_by(_table.c.position.desc())
                .limit(50)
            )
            before = [_instruction(row) for row in await partition.execute(query)]
        has_read(label for each in before for label in each.taint)
        lines = [f"Step {instruction.position} of {counts['all']}; {counts['done']} are done."]
        lines += [f"Artifact {name}: {size:,} bytes" for name, size in sizes.items()]
        kept: list[str] = []
        left = most - sum(len(line) + 1 for line in lines)
        for each in before:
            line = f"Step {each.position} ({each.status}): {each.outcome}"
            left -= len(line) + 1
            if left < 0:
                break
            kept.append(line)
        return "\n".join([*lines, *reversed(kept)])[:most]


async def _set(partition: Partition, job: str, position: int, **values: object) -> None:
    await partition.execute(
        partition.update(_table)
        .where(_table.c.job == job, _table.c.position == position)
        .values(**values)
    )


async def _counts(partition: Partition, job: str) -> dict[str, int]:
    query = (
        partition.rows(_table, _table.c.status, sa.func.count().label("steps"))
        .where(_table.c.job == job)
        .group_by(_table.c.status)
    )
    rows = (await partition.execute(query)).all()
    found = {str(row.status): int(row.steps) for row in rows}
    return {"all": sum(found.values()), "done": found.get("done", 0)}


async def _sizes(partition: Partition, names: Sequence[str]) -> dict[str, int]:
    artifact = tables.artifact
    query = (
        partition.rows(artifact, artifact.c.name, artifact.c.size)
        .where(artifact.c.name.in_(names))
        .order_by(artifact.c.name, artifact.c.version)
    )
    rows = (await partition.execute(query)).all()
    return {str(row.name): int(row.size) for row in rows}


async def _rows(
    partition: Partition, job: str, *, after: int = 0, most: int = MOST_INSTRUCTIONS
) -> list[Instruction]:
    query = (
        partition.rows(_table)
        .where(_table.c.job == job, _table.c.position > after)
        .order_by(_table.c.position)
        .limit(most)
    )
    return [_instruction(row) for row in await partition.execute(query)]


def _instruction(row: sa.Row[Any]) -> Instruction:
    return Instruction(
        job=row.job,
        position=row.position,
        text=row.text,
        status=cast(Status, row.status),
        artifacts=read_texts(row.artifacts),
        outcome=row.outcome,
        taint=read_labels(row.taint),
    )
