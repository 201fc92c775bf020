"""Kills runs at random instants, resumes them, and holds what came out against the world.

    python -m tests.crash.driver [--kills 300] [--database URL] [--seed S]

A seed gives the same plans and the same order of instants; where a kill falls within the worker
is up to the machine.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.trial import Trial
from tests.postgres import PostgresMissing, PostgresServer

KILLS = 300

_ENOUGH = 20
"""Violations after which there is nothing more to learn."""


@dataclass(slots=True)
class Report:
    """What a number of trials came to."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    effects: int = 0
    doubts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def take(self, trial: Trial) -> None:
        """Add what one trial came to."""
        self.kills.update(trial.kills)
        self.runs += 1
        self.effects += trial.world.effects().total()
        self.doubts.update(trial.doubts)
        self.violations += [f"{trial.name}: {each}" for each in trial.violations]

    def table(self) -> str:
        """All of it, as text."""
        lines = [("kills", self.kills.total())]
        lines += [(f"  {place}", count) for place, count in self.kills.most_common()]
        lines += [("runs", self.runs), ("effects", self.effects)]
        lines += [("in doubt, settled by", self.doubts.total())]
        lines += [(f"  {how}", count) for how, count in self.doubts.most_common()]
        lines += [("violations", len(self.violations))]
        return "\n".join(f"{name:<48}{count:>8}" for name, count in lines)


def drive(
    folder: Path,
    *,
    kills: int,
    seed: int,
    database: str | None = None,
    without: Collection[str] = (),
) -> Report:
    """Run trials until `kills` workers were killed.

    database: where all runs go; by default SQLite files in `folder`, most runs into the same one.
    without: tools that no plan uses.
    """
    report = Report()
    while report.kills.total() < kills and len(report.violations) < _ENOUGH:
        name = f"seed {seed}, trial {report.runs}"
        # Text, so that a trial can be repeated alone.
        dice = random.Random(f"{seed}/{report.runs}")
        place = folder / f"{seed}-{report.runs}"
        place.mkdir()
        # A kill may fall while a new file gets its tables.
        own = dice.random() < 0.15
        url = database or f"sqlite:///{place if own else folder}/runs.db"
        trial = Trial(name, f"run-{seed}-{report.runs}", url, place, dice, without)
        trial.run(kills - report.kills.total())
        report.take(trial)
    return report


def main() -> int:
    """The command line; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=KILLS, help="on each database")
    parser.add_argument("--database", help="this one only; by default SQLite, then PostgreSQL")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", nargs="*", default=(), help="tools that no plan uses")
    options = parser.parse_args()
    broken = False
    with ExitStack() as stack:
        for database in _databases(options.database, stack):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            report = drive(
                Path(folder),
                kills=options.kills,
                seed=options.seed,
                database=database,
                without=options.without,
            )
            broken = broken or bool(report.violations)
            print(f"seed {options.seed}, {'PostgreSQL' if database else 'SQLite'}")
            print(report.table())
            for violation in report.violations:
                print(violation)
    return 1 if broken else 0


def _databases(given: str | None, stack: ExitStack) -> Iterator[str | None]:
    if given is not None:
        yield given
        return
    yield None
    try:
        server = PostgresServer.start()
    except PostgresMissing as missing:
        print(f"NOT TESTED ON POSTGRESQL: {missing}")
        return
    stack.callback(server.stop)
    yield stack.enter_context(server.fresh_database())


if __name__ == "__main__":
    sys.exit(main())
