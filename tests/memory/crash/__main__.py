"""Many kills, and many writers at once:

python -m tests.memory.crash [--kills 500] [--processes 8] [--each 1000] [--seed 1]
"""

from __future__ import annotations

import argparse
import tempfile

from tests.memory.crash.killing import Outcome, kill_writers, write_together


def _told(what: str, outcome: Outcome, more: str = "") -> bool:
    print(
        f"{what}: {outcome.acknowledged} acknowledged, {outcome.kept} kept, "
        f"{len(outcome.lost)} lost, {len(outcome.doubled)} doubled, "
        f"{len(outcome.broken)} broken{more}"
    )
    for each in (*outcome.lost, *outcome.doubled, *outcome.broken)[:10]:
        print("   ", each)
    return outcome.good


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--each", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        if given.processes:
            outcome, seconds = write_together(
                f"sqlite:///{folder}/many.db", given.processes, given.each
            )
            what = f"{given.processes} processes x {given.each} writes"
            good &= _told(what, outcome, f", {seconds:.1f} s")
        if given.kills:
            outcome = kill_writers(f"sqlite:///{folder}/kills.db", given.kills, given.seed)
            good &= _told(f"SIGKILL at {given.kills} random points (seed {given.seed})", outcome)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
