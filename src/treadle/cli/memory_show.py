"""What memory holds, as JSON for programs and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.core.json_value import JsonValue
from treadle.core.taint import Labels, listed

if TYPE_CHECKING:
    from treadle.memory.episode import Episode
    from treadle.memory.fact import Fact
    from treadle.memory.hit import Hit, Recall
    from treadle.memory.learning.concept import Concept
    from treadle.memory.learning.procedure import Procedure

LONGEST_LINE = 500
"""Characters of a text that are shown on a line; `--json` has all of it."""


_CALLED = {
    "artifact": "version of an artifact",
    "artifact_part": "part of an artifact",
    "embedding": "vector",
    "entity": "name",
    "fact_source": "source of a fact",
    "instruction": "step of a job",
    "outbox": "piece of work",
    "recalled": "mark of what was recalled",
    "tombstone": "mark of what was forgotten",
}
"""What people call the rows of a table, where it is not the table's name."""


def counted(counts: Mapping[str, int]) -> str:
    """Rows per table for people: `1 episode, 2 sources of facts`."""
    rows = [f"{number:,} {called(table, number)}" for table, number in sorted(counts.items())]
    return ", ".join(row for row in rows if not row.startswith("0 "))


def called(table: str, number: int) -> str:
    """What `number` rows of `table` are called."""
    name = _CALLED.get(table, table.replace("_", " "))
    if number == 1:
        return name
    first, of, rest = name.partition(" of ")
    plural = first[:-1] + "ies" if first.endswith("y") else f"{first}s"
    return plural + of + rest


def iso(moment: datetime | None) -> str | None:
    """A time in ISO 8601, UTC."""
    return None if moment is None else moment.isoformat(timespec="seconds")


def item_document(item: Episode | Fact) -> dict[str, JsonValue]:
    """An episode or a fact as JSON; `kind` tells which."""
    from treadle.memory.episode import Episode

    return episode_document(item) if isinstance(item, Episode) else fact_document(item)


def episode_document(episode: Episode) -> dict[str, JsonValue]:
    """An episode as JSON."""
    return {
        "kind": "episode",
        "id": episode.id,
        "text": episode.text,
        "actor": episode.actor,
        "source": episode.source,
        "origin": str(episode.origin),
        "thread": episode.thread,
        "occurred_at": iso(episode.occurred_at),
        "recorded_at": iso(episode.recorded_at),
        "previous": episode.previous,
        "taint": _labels(episode.taint),
        "metadata": dict(episode.metadata),
    }


def fact_document(fact: Fact) -> dict[str, JsonValue]:
    """A fact as JSON."""
    return {
        "kind": "fact",
        "id": fact.id,
        "text": fact.text,
        "subject": fact.subject,
        "predicate": fact.predicate,
        "object": fact.object,
        "valid_from": iso(fact.valid_from),
        "valid_to": iso(fact.valid_to),
        "recorded_at": iso(fact.recorded_at),
        "retired_at": iso(fact.retired_at),
        "supersedes": fact.supersedes,
        "confidence": fact.confidence,
        "cardinality": fact.cardinality,
        "origin": str(fact.origin),
        "sources": list(fact.sources),
        "taint": _labels(fact.taint),
    }


def recall_document(query: str, found: Recall) -> dict[str, JsonValue]:
    """What `treadle memory search --json` prints."""
    return {
        "query": query,
        "hits": [hit_document(hit) for hit in found.hits],
        "nothing_relevant": found.nothing_relevant,
        "reason": found.reason,
        "tokens": found.tokens,
        "left_out": found.left_out,
    }


def hit_document(hit: Hit) -> dict[str, JsonValue]:
    """A hit: its item, and why it is one."""
    return {**item_document(hit.item), "score": hit.score, "ranks": dict(hit.ranks)}


def concept_document(concept: Concept) -> dict[str, JsonValue]:
    """A concept, or a warning, as JSON."""
    return {
        "kind": concept.kind,
        "id": concept.id,
        "name": concept.name,
        "body": concept.body,
        "cues": list(concept.cues),
        "parameters": dict(concept.parameters),
        "version": concept.version,
        "successes": concept.outcomes.successes,
        "failures": concept.outcomes.failures,
        "chance": round(concept.outcomes.mean, 4),
        "recorded_at": iso(concept.recorded_at),
        "retired_at": iso(concept.retired_at),
        "source": concept.source,
        "taint": _labels(concept.taint),
    }


def procedure_document(procedure: Procedure) -> dict[str, JsonValue]:
    """A plan that worked, as JSON."""
    return {
        "id": procedure.id,
        "task": procedure.task,
        "plan": procedure.template,
        "parameters": [
            {"kind": each.slot.kind, "value": each.slot.value, "open": each.open}
            for each in procedure.parameters
        ],
        "tools": list(procedure.tools),
        "fingerprint": procedure.fingerprint,
        "version": procedure.version,
        "successes": procedure.outcomes.successes,
        "failures": procedure.outcomes.failures,
        "chance": round(procedure.outcomes.mean, 4),
        "recorded_at": iso(procedure.recorded_at),
        "used_at": iso(procedure.used_at),
        "retired_at": iso(procedure.retired_at),
        "source": procedure.source,
        "taint": _labels(procedure.taint),
    }


def hit_lines(hits: Sequence[Hit], *, explain: bool = False) -> list[str]:
    """Hits for people: one line each, and with `explain` another one that says why."""
    lines: list[str] = []
    for number, hit in enumerate(hits, start=1):
        lines.append(f"{number:>2}. {item_line(hit.item)}")
        if explain:
            lines.append(f"    {ranks_text(hit.ranks)} · score {hit.score:.3f} · {hit.id}")
    return lines


def item_line(item: Episode | Fact) -> str:
    """An episode or a fact on one line: when, who, what, and whether it is to be trusted."""
    from treadle.memory.episode import Episode

    warned = f"  [from {one_line(', '.join(listed(item.taint)), 80)}]" if item.taint else ""
    if isinstance(item, Episode):
        who = f"{one_line(item.actor, 40)}: " if item.actor else ""
        return f"{item.occurred_at.date()}  {who}{one_line(item.text, LONGEST_LINE)}{warned}"
    return f"{span(item)}  {one_line(item.text, LONGEST_LINE)}{warned}"


def span(fact: Fact) -> str:
    """From when to when a fact held, and since when memory does not believe it."""
    start = str(fact.valid_from.date()) if fact.valid_from else "…"
    end = str(fact.valid_to.date()) if fact.valid_to else "now"
    retired = f" (taken back {fact.retired_at.date()})" if fact.retired_at else ""
    return f"{start} to {end}{retired}"


def ranks_text(ranks: Mapping[str, int]) -> str:
    """The signals that found something, the best first."""
    ordered = sorted(ranks.items(), key=lambda each: (each[1], each[0]))
    return ", ".join(f"{name} #{rank}" for name, rank in ordered) or "no signal of its own"


def _labels(labels: Labels) -> list[JsonValue]:
    return [*listed(labels)]
