"""`treadle memory bench`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from treadle.cli.memory_options import MemoryOptions
from treadle.cli.options import settings
from treadle.cli.output import print_json, print_note, write_stdout
from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue

_FIELDS = ("recall", "all_at_10_multihop", "mrr", "by_category", "questions", "ranked")
"""What `--json` prints, in this order."""


async def bench(file: Path, conversations: str | None, options: MemoryOptions) -> int:
    """Measure recall on a file of LoCoMo's, in a store of its own that is gone afterwards.

    Raises InputError: `bad_usage`, `bad_locomo_file`, `bad_conversations`.
    """
    from treadle.memory.locomo import run_locomo

    chosen = conversations_of(conversations)
    embedder = options.embedder or settings().get("embedder")
    figures = await run_locomo(file, chosen, embedder, print_note)
    if options.json:
        print_json({name: figures[name] for name in _FIELDS})
    else:
        write_stdout(figures_text(figures))
    return 0


def conversations_of(text: str | None) -> tuple[int, ...] | None:
    """`0,2` as numbers; None for all. Raises InputError (`bad_usage`)."""
    if text is None:
        return None
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        raise InputError(
            "bad_usage", f"--conversations {text[:40]!r}: numbers from 0, with commas"
        ) from None


def figures_text(figures: Mapping[str, JsonValue]) -> str:
    """The figures as a table."""
    rows: list[tuple[str, Mapping[str, JsonValue]]] = [("all", figures)]
    categories = figures["by_category"]
    if isinstance(categories, dict):
        rows += [(name, each) for name, each in categories.items() if isinstance(each, dict)]
    lines = [f"{'':14} {'questions':>9} {'@5':>7} {'@10':>7} {'@20':>7} {'mrr':>7}"]
    for name, row in rows:
        recall = row["recall"]
        at = [recall[depth] for depth in ("5", "10", "20")] if isinstance(recall, dict) else []
        cells = " ".join(f"{_number(each):>7}" for each in (*at, row["mrr"]))
        lines.append(f"{name[:14]:14} {_number(row['questions']):>9} {cells}")
    lines.append(f"multi-hop questions with all evidence in 10: {figures['all_at_10_multihop']}")
    return "\n".join(lines) + "\n"


def _number(value: JsonValue) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
