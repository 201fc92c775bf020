"""`treadle memory search`, `facts`, `timeline`, `concepts` and `procedures`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.memory_show import (
    LONGEST_LINE,
    concept_document,
    fact_document,
    hit_lines,
    item_line,
    procedure_document,
    recall_document,
)
from treadle.cli.output import print_json, print_note, write_stdout
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.memory.fact import Fact

NOTHING = "nothing relevant"


@dataclass(frozen=True, slots=True)
class Asked:
    """When it is asked of: `as_of` in the world, `known_at` in memory; None for now."""

    as_of: str | None = None
    known_at: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A query. kinds: `episode`, `fact`; both where there are none."""

    query: str
    k: int = 10
    kinds: tuple[str, ...] = ()
    budget: int | None = None
    explain: bool = False


async def search(given: Search, asked: Asked, options: MemoryOptions) -> int:
    """Print what bears on a query, the best first. Raises InputError (`bad_query`, `bad_date`)."""
    from treadle.memory.kinds import Kind

    kinds = tuple(Kind[each.upper()] for each in given.kinds) or (Kind.EPISODE, Kind.FACT)
    async with open_memory(options, existing=True) as memory:
        found = await memory.recall(
            given.query,
            given.k,
            as_of=asked.as_of,
            known_at=asked.known_at,
            budget_tokens=given.budget,
            kinds=kinds,
            # It goes to a person or a program: no prompt that it could come back from.
            note=False,
        )
    if options.json:
        print_json(recall_document(given.query, found))
        return 0
    _print(hit_lines(found.hits, explain=given.explain))
    if found.nothing_relevant:
        print_note(f"{NOTHING}: {found.reason}" if found.reason else NOTHING)
    elif found.reason and (given.explain or not found.hits):
        print_note(found.reason)
    return 0


async def facts(
    subject: str | None, predicate: str | None, asked: Asked, options: MemoryOptions
) -> int:
    """Print what holds. Raises InputError (`bad_date`)."""
    async with open_memory(options, existing=True) as memory:
        found = await memory.facts.facts(
            subject,
            predicate,
            namespace=memory.namespace,
            as_of=asked.as_of,
            known_at=asked.known_at,
        )
    return _print_facts(found, asked, options, "no facts")


async def timeline(
    subject: str | None, predicate: str | None, asked: Asked, options: MemoryOptions
) -> int:
    """Print what has ever held, in the order in which it began. Raises InputError (`bad_date`)."""
    async with open_memory(options, existing=True) as memory:
        found = await memory.facts.timeline(
            subject, predicate, namespace=memory.namespace, known_at=asked.known_at
        )
    return _print_facts(found, asked, options, "nothing was ever the case")


async def concepts(retired: bool, options: MemoryOptions) -> int:
    """Print what runs taught: what worked, and warnings."""
    async with open_memory(options, existing=True) as memory:
        found = await memory.concepts.all(namespace=memory.namespace, retired=retired)
    if options.json:
        print_json({"concepts": [concept_document(each) for each in found]})
        return 0
    lines: list[str] = []
    for each in found:
        gone = " (retired)" if each.retired_at else ""
        lines.append(f"{each.kind}: {one_line(each.name, 100)}{gone}")
        lines.append(f"    {one_line(each.body, LONGEST_LINE)}")
        lines.append(
            f"    worked {each.outcomes.successes:g} times, failed {each.outcomes.failures:g}; "
            f"version {each.version}; for: {one_line('; '.join(each.cues), 200)}"
        )
    _print(lines, "no concepts: runs have taught nothing yet")
    return 0


async def procedures(retired: bool, options: MemoryOptions) -> int:
    """Print plans that worked."""
    async with open_memory(options, existing=True) as memory:
        found = await memory.procedures.all(namespace=memory.namespace, retired=retired)
    if options.json:
        print_json({"procedures": [procedure_document(each) for each in found]})
        return 0
    lines: list[str] = []
    for each in found:
        gone = " (retired)" if each.retired_at else ""
        lines.append(f"{one_line(each.task, 200)}{gone}")
        lines.append(
            f"    {', '.join(one_line(name, 60) for name in each.tools)}; "
            f"worked {each.outcomes.successes:g} times, failed {each.outcomes.failures:g}; "
            f"version {each.version}"
        )
    _print(lines, "no procedures: no plan has been kept yet")
    return 0


def _print_facts(found: Sequence[Fact], asked: Asked, options: MemoryOptions, nothing: str) -> int:
    if options.json:
        document: dict[str, JsonValue] = {
            "facts": [fact_document(each) for each in found],
            "as_of": asked.as_of,
            "known_at": asked.known_at,
        }
        print_json(document)
        return 0
    _print([item_line(each) for each in found], nothing)
    return 0


def _print(lines: Sequence[str], nothing: str = "") -> None:
    write_stdout("".join(f"{line}\n" for line in lines))
    if not lines and nothing:
        print_note(nothing)
