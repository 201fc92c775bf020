"""Whatever several tenants do, and in whatever order: none is ever shown a word of another's."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.memory.carrying.stores import each, exported, made_empty, sqlite_url

from treadle.core.errors import InputError
from treadle.memory import tables
from treadle.memory.carrying import import_
from treadle.memory.kinds import Kind
from treadle.memory.memory import Memory
from treadle.memory.namespace import Namespace
from treadle.memory.policies import Policies, Policy
from treadle.memory.writing.outbox import bury
from treadle.testing import FakeClock

ResultT = TypeVar("ResultT")

CANARIES = {
    Namespace("", "ada"): "kestrelada",
    Namespace("team", "ada"): "kestrelteam",
    Namespace("team/x", "ada"): "kestrelx",
    Namespace("team", "bob"): "kestrelbob",
    Namespace("", "eve"): "kestreleve",
}
"""In each namespace a word that stands nowhere else."""

spaces = st.sampled_from(list(CANARIES))
numbers = st.integers(0, 3)


class Tenants(RuleBasedStateMachine):
    """Several tenants in one database, with the same names, texts and keys."""

    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.empty, self.folder / "here.db")
        self.runner = asyncio.Runner()
        self.memory = Memory(sqlite_url(self.folder, "here"), clock=FakeClock())
        self.known: dict[Namespace, list[str]] = {space: [] for space in CANARIES}
        self.forgotten: set[Namespace] = set()

    def teardown(self) -> None:
        self.run(self.memory.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def run(self, work: Awaitable[ResultT]) -> ResultT:
        async def main() -> ResultT:
            return await work

        return self.runner.run(main())

    def check(self, shown: object, *allowed: Namespace) -> None:
        """What was shown has words of those alone."""
        said = shown.decode() if isinstance(shown, bytes) else repr(shown)
        for space, canary in CANARIES.items():
            if space not in allowed:
                assert canary not in said, f"{allowed} was shown a word of {space}"

    # ---- writing -------------------------------------------------------------------------------

    @rule(space=spaces, number=numbers)
    def remember(self, space: Namespace, number: int) -> None:
        text = f"Kim {number} lives in the house of {CANARIES[space]}."
        kept = self.run(
            self.memory.remember(text, namespace=space, actor="Kim", idempotency_key=f"k{number}")
        )
        self.check(kept, space)
        self.known[space].append(kept.episode.id)
        self.forgotten.discard(space)

    @rule(space=spaces, number=numbers)
    def tell(self, space: Namespace, number: int) -> None:
        told = self.run(
            self.memory.facts.tell(
                "Kim", "lives in", f"{CANARIES[space]} {number}", namespace=space
            )
        )
        self.check(told, space)
        self.forgotten.discard(space)

    @rule(space=spaces)
    def learn(self, space: Namespace) -> None:
        body = f"Go by {CANARIES[space]}."
        self.check(
            self.run(
                self.memory.concepts.learn("to the house", body, namespace=space, cues=["house"])
            ),
            space,
        )
        self.forgotten.discard(space)

    @rule(space=spaces)
    def write(self, space: Namespace) -> None:
        canary, memory = CANARIES[space], self.memory
        made = self.run(memory.artifacts.write("notes.md", f"of {canary}", namespace=space))
        self.check(made, space)
        steps = self.run(memory.instructions.add("job", [f"see {canary}"], namespace=space))
        self.check(steps, space)
        self.forgotten.discard(space)

    @rule(space=spaces)
    def fail(self, space: Namespace) -> None:
        """What could not be done is kept with its reason."""

        async def bury_one() -> None:
            async with self.memory.store.writing(space) as partition:
                await bury(partition, "x", Kind.EPISODE, 1, f"no {CANARIES[space]}", {})

        self.run(bury_one())
        self.forgotten.discard(space)

    @rule()
    def work(self) -> None:
        self.run(self.memory.work())

    # ---- asking --------------------------------------------------------------------------------

    @rule(space=spaces, other=spaces)
    def recall(self, space: Namespace, other: Namespace) -> None:
        for query in (f"where is {CANARIES[other]}", "where does Kim live", "house"):
            self.check(self.run(self.memory.recall(query, namespace=space)), space)

    @rule(space=spaces)
    def facts(self, space: Namespace) -> None:
        self.check(self.run(self.memory.facts.facts("Kim", namespace=space)), space)
        self.check(self.run(self.memory.facts.timeline("Kim", namespace=space)), space)

    @rule(space=spaces)
    def concepts(self, space: Namespace) -> None:
        self.check(self.run(self.memory.concepts.find("the house", namespace=space)), space)
        self.check(self.run(self.memory.concepts.all(namespace=space, retired=True)), space)

    @rule(space=spaces)
    def files_and_jobs(self, space: Namespace) -> None:
        memory = self.memory
        self.check(self.run(memory.artifacts.all(namespace=space)), space)
        self.check(self.run(memory.artifacts.versions("notes.md", namespace=space)), space)
        for found in self.run(memory.artifacts.all(namespace=space)):
            self.check(self.run(memory.artifacts.read(found.name, namespace=space)), space)
        for step in self.run(memory.instructions.all("job", namespace=space)):
            self.check(self.run(memory.instructions.context(step, namespace=space)), space)

    @rule(space=spaces)
    def people(self, space: Namespace) -> None:
        self.check(self.run(self.memory.people.refresh("Kim", namespace=space)), space)
        self.check(self.run(self.memory.people.all(namespace=space)), space)

    @rule(space=spaces)
    def counts(self, space: Namespace) -> None:
        inside = [each for each in CANARIES if space.holds(each)]
        self.check(self.run(self.memory.stats(namespace=space)), *inside)

    @rule(space=spaces, other=spaces)
    def by_the_ids_of_others(self, space: Namespace, other: Namespace) -> None:
        if space == other:
            return
        before = self.contents()
        for number in self.known[other][:2]:
            with pytest.raises(InputError, match="unknown_episode"):
                self.run(self.memory.get(number, namespace=space))
        for fact in self.run(self.memory.facts.facts(namespace=other))[:2]:
            for asked in (self.memory.facts.get, self.memory.facts.retract):
                with pytest.raises(InputError, match="unknown_fact"):
                    self.run(asked(fact.id, namespace=space))
        after = self.contents()
        assert after[other] == before[other]

    @rule(space=spaces)
    def export(self, space: Namespace) -> None:
        inside = [each for each in CANARIES if space.holds(each)]
        lines = self.run(exported(self.memory.store, space))
        self.check(b"".join(lines), *inside)
        before = self.contents()
        done = self.run(import_(self.memory.store, each(lines), space))
        self.check(done, *inside)
        assert self.contents() == before

    # ---- forgetting ----------------------------------------------------------------------------

    @rule(space=spaces, other=spaces)
    def forget_episodes(self, space: Namespace, other: Namespace) -> None:
        """Ids of others are ids of nothing."""
        before = self.contents()
        asked = self.known[other][:2]
        receipt = self.run(self.memory.forget(namespace=space, episodes=asked or ["none"]))
        assert receipt.proved
        self.check(receipt, *(each for each in CANARIES if space.holds(each)))
        self.untouched(before, space)
        if not space.holds(other):
            assert receipt.rows == 0

    @rule(space=spaces, other=spaces)
    def forget_a_subject(self, space: Namespace, other: Namespace) -> None:
        before = self.contents()
        receipt = self.run(self.memory.forget(namespace=space, subject=CANARIES[other]))
        assert receipt.proved
        # Whether somebody else has the word does not show.
        if not space.holds(other):
            assert (receipt.rows, receipt.proof.files) == (0, ())
        self.untouched(before, space)

    @rule(space=spaces)
    def forget_everything(self, space: Namespace) -> None:
        before = self.contents()
        receipt = self.run(self.memory.forget(namespace=space, everything=True))
        assert receipt.proved
        self.untouched(before, space)
        self.forgotten.update(each for each in CANARIES if space.holds(each))
        data = b"".join(path.read_bytes() for path in self.folder.glob("here.db*"))
        for gone in self.forgotten:
            assert CANARIES[gone].encode() not in data

    @rule(space=spaces, most=st.integers(0, 2))
    def limit(self, space: Namespace, most: int) -> None:
        before = self.contents()
        policies = Policies(self.memory.store)
        self.run(policies.set(Policy(most_episodes=most), namespace=space))
        self.run(policies.enforce(namespace=space))
        after = self.contents()
        assert after[space]["episode"] <= most
        assert {**after, space: before[space]} == before

    # ---- what must always hold -----------------------------------------------------------------

    def contents(self) -> dict[Namespace, Counter[str]]:
        """How many rows each namespace has, per table."""

        async def count() -> dict[Namespace, Counter[str]]:
            counted = {}
            for space in CANARIES:
                async with self.memory.store.reading(space) as partition:
                    counted[space] = Counter(
                        {
                            table.name: len((await partition.execute(partition.rows(table))).all())
                            for table in tables.PARTITIONED
                        }
                    )
            return counted

        return self.run(count())

    def untouched(self, before: dict[Namespace, Any], space: Namespace) -> None:
        """All is as it was `before` but for `space` and what lies in it."""
        after = self.contents()
        for each_space in CANARIES:
            if not space.holds(each_space):
                assert after[each_space] == before[each_space]

    @invariant()
    def counters_are_right(self) -> None:
        async def check() -> None:
            for space in CANARIES:
                async with self.memory.store.reading(space) as partition:
                    table = tables.namespace
                    query = table.select().where(table.c.id == partition.id)
                    row = (await partition.execute(query)).first()
                    rows = (await partition.execute(partition.rows(tables.episode))).all()
                    if row is not None:
                        assert row.episodes == len(rows)
                        assert row.terms == sum(each.length for each in rows)

        self.run(check())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_empty(tmp_path_factory.mktemp("empty"))


def test_no_tenant_is_shown_a_word_of_another(empty: Path) -> None:
    machine = type("Machine", (Tenants,), {"empty": empty})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=4,
            stateful_step_count=18,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
