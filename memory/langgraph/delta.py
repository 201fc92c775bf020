"""Channels that keep differences: which earlier checkpoints their value is made from.

LangGraph's DeltaChannel stores its value now and then; in between it is what was stored last, with
the writes since then applied again, along the chain of parents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from treadle.memory.langgraph.checkpoint_rows import CheckpointRows
from treadle.memory.langgraph.stored_checkpoint import Packed, Place, StoredCheckpoint, StoredWrite

_STEP = 256
"""Ancestors read at a time."""


@dataclass(slots=True)
class ChannelHistory:
    """What one channel is made from.

    writes: the oldest first. seed: the value that they are applied to, where there is one.
    row: the checkpoint that has the seed.
    """

    writes: list[StoredWrite] = field(default_factory=list)
    seed: Packed | None = None
    row: StoredCheckpoint | None = None


async def channel_histories(
    rows: CheckpointRows, place: Place, checkpoint_id: str, channels: Sequence[str]
) -> Mapping[str, ChannelHistory]:
    """The history of each of these channels before the checkpoint."""
    found = {name: ChannelHistory() for name in channels}
    passed: dict[str, list[str]] = {name: [] for name in channels}
    filled = await rows.filled(place, channels)
    remaining = set(channels)
    async for ancestor in _ancestors(rows, place, checkpoint_id):
        for name in sorted(remaining):
            passed[name].append(ancestor.checkpoint_id)
            version = ancestor.channels.get(name)
            if version is not None and (name, version) in filled:
                found[name].row = ancestor
                remaining.discard(name)
        if not remaining:
            break
    writes = await rows.writes(place, sorted({each for ids in passed.values() for each in ids}),
                               channels)  # fmt: skip
    seeds = {
        (name, each.row.channels[name]) for name, each in found.items() if each.row is not None
    }
    values = await rows.values(place, seeds)
    for name, history in found.items():
        history.writes = [
            write
            for each in reversed(passed[name])
            for write in writes.get(each, ())
            if write.channel == name
        ]
        if history.row is not None:
            history.seed = values[name, history.row.channels[name]]
    return found


async def needed_ancestors(
    rows: CheckpointRows, place: Place, checkpoint_id: str, channels: Sequence[str]
) -> set[str]:
    """The checkpoints without which these channels could not be made at `checkpoint_id`."""
    if not channels:
        return set()
    filled = await rows.filled(place, channels)
    remaining = set(channels)
    needed: set[str] = set()
    here = await rows.parents(place, checkpoint_id, 1)
    for row in here:
        remaining -= {name for name in remaining if (name, row.channels.get(name)) in filled}
    async for ancestor in _ancestors(rows, place, checkpoint_id):
        if not remaining:
            break
        needed.add(ancestor.checkpoint_id)
        remaining -= {name for name in remaining if (name, ancestor.channels.get(name)) in filled}
    return needed


async def _ancestors(
    rows: CheckpointRows, place: Place, checkpoint_id: str
) -> AsyncIterator[StoredCheckpoint]:
    """The parent of a checkpoint, its parent, and so on; ends where the chain is a ring."""
    seen = {checkpoint_id}
    last = checkpoint_id
    while True:
        some = (await rows.parents(place, last, _STEP))[1:]
        for each in some:
            if each.checkpoint_id in seen:
                return
            seen.add(each.checkpoint_id)
            yield each
        if len(some) < _STEP - 1:
            return
        last = some[-1].checkpoint_id
