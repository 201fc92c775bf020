"""Forgetting for real: rows, what follows from them, what else tells of them, and their traces."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from treadle.core.database import Database, DatabaseUrl
from treadle.core.erasing import Place
from treadle.core.errors import InputError
from treadle.memory.erasure.cascade import erase, erase_all
from treadle.memory.erasure.grave import bury_namespace
from treadle.memory.erasure.marker import mark, mark_somewhere, marks, unmark
from treadle.memory.erasure.proof import scanned, still_said
from treadle.memory.erasure.purge import Purge
from treadle.memory.erasure.receipt import Proof, Receipt
from treadle.memory.erasure.selection import select, select_all
from treadle.memory.erasure.sought import Sought, meant, parts_of
from treadle.memory.erasure.sweep import SECONDS, sweep
from treadle.memory.erasure.traces import Traces
from treadle.memory.erasure.within_run import tell_run
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

_log = logging.getLogger("treadle.memory")


class Eraser:
    """Erases from one store, and from the places that `purges` look through.

    Of these none knows tenants: who serves several hands in those of the one that asks.

    seconds: how long cleaning the files may wait for others who use them.
    """

    def __init__(
        self, store: Store, purges: Sequence[Purge] = (), *, seconds: float = SECONDS
    ) -> None:
        self._store = store
        self._purges = tuple(purges)
        self._seconds = seconds
        self._traces = Traces()

    async def forget(
        self,
        *,
        namespace: Namespace,
        subject: str | None = None,
        episodes: Collection[str] = (),
        everything: bool = False,
        reason: str = "",
    ) -> Receipt:
        """Erase what is known of a subject, some episodes, or all, here and in what lies below.

        subject: a name: what it said, what mentions it, and what follows from that.
        episodes: their ids. What other episodes quote of them stays, and is counted.
        everything: the namespace itself, with its children.
        reason: kept with the tombstones; a name that is erased is taken out of it.

        It can be called again after any failure, and goes on where it was.

        Raises InputError: `nothing_to_forget`, `bad_subject`. Raises RunError
        (`erasure_pending`): the rows are gone, and others use the files so that they cannot be
        cleaned; the next call of `forget` or `finish` does it. And as `Database` does.
        """
        if subject is None and not episodes and not everything:
            raise InputError("nothing_to_forget", "name a subject, episodes, or everything")
        traces = Traces(set() if subject is None else {meant(subject)})
        asked = await traces.sought()  # raises for a name that is none, before anything is done
        # First: a run that is cancelled over it has it in its record all the same.
        tell_run(self, traces, self._look_again)
        spaces = await self._store.namespaces(namespace)
        notes = [] if everything else _about_paths(spaces, asked)
        for each in spaces:
            async with self._store.reading(each) as partition:
                doomed = await (
                    select_all(partition)
                    if everything
                    else select(partition, subject=subject, episodes=episodes)
                )
            traces.add(doomed)
            notes.extend(doomed.notes)
        # First what else tells of it: afterwards nothing here says what to look for.
        own = await self._mark(spaces[0] if spaces else namespace) if self._purges else None
        elsewhere = await self._purge(await self._elsewhere(traces, namespace))
        erased: Counter[str] = Counter()
        for each in spaces:
            erased += await self._erase(each, traces, subject, episodes, everything, reason)
        elsewhere += await self._purge(await self._elsewhere(traces, namespace))
        if elsewhere and not everything:
            await self._mark(spaces[0] if spaces else namespace)
        elif own is not None and not erased:
            await unmark(self._store.database, [own])
        proof = await self._prove(traces, () if everything else spaces)
        notes.extend(self._notes())
        return Receipt(namespace, subject, dict(erased), dict(elsewhere), proof, tuple(notes))

    async def finish(self) -> Proof | None:
        """Clean the files where an erasure was cut short; None where there is nothing to do.

        Raises RunError (`erasure_pending`).
        """
        pending = await marks(self._store.database)
        return await self._clean(pending, self._urls()) if pending else None

    async def _look_again(self, traces: Traces, places: Sequence[Place]) -> None:
        """The run in which they were erased has written its last: see `tell_run`."""
        done = await self._purge(await self._elsewhere(traces), (*self._purges, *places))
        if not done:
            return
        own = self._store.database
        await mark_somewhere(own)
        self._traces.join(traces)
        more = [each.url for each in places if each.url is not None]
        proof = await self._clean(await marks(own), [*self._urls(), *more])
        if proof.found:
            _log.error("%d traces of what was forgotten in a run are left", proof.found)

    async def _clean(self, pending: Sequence[int], urls: Sequence[DatabaseUrl]) -> Proof:
        own, traces = self._store.database, self._traces
        several = {str(url): url for url in urls}.values()
        for url in several:
            database = own if str(url) == str(own.url) else Database(url)
            try:
                await sweep(database, self._seconds)
            finally:
                if database is not own:
                    await database.close()
        proof = await scanned(list(several), traces.names, traces.texts, traces.pieces)
        await unmark(own, pending)
        self._traces = Traces()
        return proof

    async def _erase(
        self,
        namespace: Namespace,
        traces: Traces,
        subject: str | None,
        episodes: Collection[str],
        everything: bool,
        reason: str,
    ) -> Counter[str]:
        """One namespace, in one transaction; what it holds now counts, not what it held before."""
        reason = _blanked(reason, traces)
        async with self._store.writing(namespace) as partition:
            if partition.is_sqlite:
                await partition.raw("PRAGMA secure_delete = ON", {})
            if everything:
                doomed = await select_all(partition)
                traces.add(doomed)
                gone = await erase_all(partition, doomed, reason)
                await mark(partition)
                await bury_namespace(partition)
            else:
                doomed = await select(partition, subject=subject, episodes=episodes)
                traces.add(doomed)
                gone = Counter[str]()
                if doomed:
                    gone = await erase(partition, doomed, reason=reason)
                    await mark(partition)
        return gone

    async def _mark(self, namespace: Namespace) -> int:
        async with self._store.writing(namespace) as partition:
            return await mark(partition)

    async def _elsewhere(self, traces: Traces, namespace: Namespace | None = None) -> Sought:
        """What is looked for in other places: of a namespace that goes whom it knew, too."""
        if namespace is not None and traces.called:
            known = await self._store.known_elsewhere(namespace, traces.called)
            traces.called -= known
        return await traces.sought(called=True)

    async def _purge(
        self, sought: Sought, places: Sequence[Purge | Place] | None = None
    ) -> Counter[str]:
        done: Counter[str] = Counter()
        if not sought:
            return done
        for each in self._purges if places is None else places:
            done.update(await each.purge(sought))
        return +done

    async def _prove(self, traces: Traces, spaces: Sequence[Namespace]) -> Proof:
        """Clean the files, and look whether anything is left."""
        self._traces.join(traces)
        proof = await self.finish()
        if proof is None:
            self._traces = Traces()
            return Proof()
        live, named, rows = await still_said(self._store, spaces, await traces.sought())
        return replace(proof, live=dict(live), rows_scanned=rows, named=named)

    def _notes(self) -> list[str]:
        notes = []
        if not self._purges:
            notes.append("only memory was looked through: no journal or checkpoints were given")
        if any(url.path is None for url in self._urls()):
            notes.append(
                "PostgreSQL's write-ahead log, its replicas and its backups are the operator's: "
                "let them expire"
            )
        if any(url.path is not None for url in self._urls()):
            notes.append("copies and backups of the file are the operator's")
        return notes

    def _urls(self) -> list[DatabaseUrl]:
        given = [purge.url for purge in self._purges if purge.url is not None]
        return [self._store.database.url, *given]


def _blanked(reason: str, traces: Traces) -> str:
    """`reason` without what is erased: not even a part of a name stays."""
    parts = {part for name in traces.names for part in parts_of(name)}
    return Sought([*traces.names, *parts], traces.texts).blanked(reason)


def _about_paths(spaces: Sequence[Namespace], sought: Sought) -> list[str]:
    return [
        f"the namespace {space} is called so itself; forget everything in it to erase that, too"
        for space in spaces
        if sought.named_in(space.path)
    ]
