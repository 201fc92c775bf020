"""Idempotency keys of what was not kept, since it was there already: each stands for its text, too.

A key that came with an echo or a duplicate is on no episode. It is taken down among what was
recalled, beside the item that the text was found to be; it goes when that is erased.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Literal

from treadle.memory import tables
from treadle.memory.store import Partition
from treadle.memory.writing.normal_form import content_hash

Outcome = Literal["duplicate", "echo"]
_OUTCOMES: tuple[Outcome, ...] = ("duplicate", "echo")


def marks(idempotency_key: str, text: str) -> dict[str, Outcome | None]:
    """What is looked for: the mark of the key, of which None is known, and those with the text."""
    found: dict[str, Outcome | None] = {_mark("key", idempotency_key): None}
    hashed = content_hash(text)
    found.update({_mark(each, hashed, idempotency_key): each for each in _OUTCOMES})
    return found


async def take(
    partition: Partition,
    idempotency_key: str | None,
    text: str,
    outcome: Outcome,
    item: tuple[int, int],
) -> None:
    """Take down that a key stands for a text, which was found to be `item` (kind and number)."""
    if idempotency_key is None:
        return
    kind, number = item
    rows = [
        {"fingerprint": mark, "kind": kind, "item_id": number, "recalled_at": partition.now}
        for mark, said in marks(idempotency_key, text).items()
        if said in (None, outcome)
    ]
    insert = partition.insert(tables.recalled)
    await partition.execute(
        insert.on_conflict_do_nothing(index_elements=["namespace_id", "fingerprint"]), rows
    )


def outcome_of(
    found: Collection[str], idempotency_key: str, text: str
) -> tuple[str, Outcome | None] | None:
    """The mark and the outcome of a key among the marks that were `found`; None if it is free.

    The outcome is None where the key stands for another text.
    """
    wanted = marks(idempotency_key, text)
    there = [mark for mark in wanted if mark in found]
    if not there:
        return None
    for mark in there:
        outcome = wanted[mark]
        if outcome is not None:
            return mark, outcome
    return there[0], None


def _mark(*parts: str) -> str:
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return f"k{blake2b(text, digest_size=16).hexdigest()}"
