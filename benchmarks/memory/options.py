"""What can be chosen on the command line."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory.scripts import TITLES

SECTIONS = ("recall", "writes", "latency", "processes", *TITLES)


@dataclass(frozen=True, slots=True)
class Options:
    """See `parsed` for what each means."""

    only: tuple[str, ...]
    locomo: Path | None
    conversations: tuple[int, ...]
    items: int
    spaces: int
    asked: int
    writes: int
    folder: Path
    seed: int


def parsed(description: str) -> Options:
    """The options of this process's command line."""
    parser = argparse.ArgumentParser("bench-memory", description=description)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be repeated")
    parser.add_argument("--locomo", type=Path, help="LoCoMo's file; conversations are made up else")
    parser.add_argument(
        "--conversations", default="", metavar="I,J", help="places in the file, from 0 (all)"
    )
    parser.add_argument("--items", type=int, default=100_000, help="in a namespace (100000)")
    parser.add_argument("--namespaces", type=int, default=10, help="of a large store (10)")
    parser.add_argument("--queries", type=int, default=400, help="that are timed (400)")
    parser.add_argument("--writes", type=int, default=1_000, help="that are timed (1000)")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="for files"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return Options(
        only=tuple(given.only or SECTIONS),
        locomo=given.locomo,
        conversations=tuple(int(each) for each in given.conversations.split(",") if each),
        items=given.items,
        spaces=given.namespaces,
        asked=given.queries,
        writes=given.writes,
        folder=given.folder.absolute(),
        seed=given.seed,
    )
