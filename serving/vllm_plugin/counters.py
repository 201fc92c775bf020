"""What the plugin counts, as one snapshot that travels from the engine's process to its server."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class ProgramCounters:
    """A snapshot of the scheduler's counts; all but the last four only ever grow.

    pins: finished calls whose KV was held.
    pin_hits: holds that the next call of their branch took over, with some of it matching.
    pin_misses: holds taken over of which nothing matched: the branch's context had changed.
    expiries: holds that ran out.
    pressure_releases: holds let go because a call needed the room.
    program_releases: holds let go because their program or their branch ended.
    reset_releases: holds let go because the prefix cache was reset.
    truncated_pins: holds cut short because the share of the pool for holds was used up.
    refused_pins: calls that the policy wanted held and whose kind of KV cache cannot be.
    prefetches: contexts brought back from a slower tier before a call asked for them.
    prefetched_tokens: how much of them came from there.
    prefetch_hits: of them, those that the next call of their branch took over.
    saved_prefill_tokens: prompt tokens found in KV that nothing but holds kept.
    prompt_tokens: prompt tokens of calls that started, for a rate.
    ended_programs: programs that were ended, by a call or by their last one.
    abandoned_programs: programs given up because nothing was heard of them.
    malformed_hints: values in hints that could not be used and were ignored.
    live_programs: programs known now.
    held: holds now.
    pinned_blocks: blocks in holds now, each counted once.
    pool_blocks: blocks in the pool that can be used at all.
    """

    pins: int = 0
    pin_hits: int = 0
    pin_misses: int = 0
    expiries: int = 0
    pressure_releases: int = 0
    program_releases: int = 0
    reset_releases: int = 0
    truncated_pins: int = 0
    refused_pins: int = 0
    prefetches: int = 0
    prefetched_tokens: int = 0
    prefetch_hits: int = 0
    saved_prefill_tokens: int = 0
    prompt_tokens: int = 0
    ended_programs: int = 0
    abandoned_programs: int = 0
    malformed_hints: int = 0
    live_programs: int = 0
    held: int = 0
    pinned_blocks: int = 0
    pool_blocks: int = 0

    def as_dict(self) -> dict[str, int]:
        """By name; what an engine's utility call can carry."""
        return asdict(self)


GAUGES = frozenset({"live_programs", "held", "pinned_blocks", "pool_blocks"})
"""The fields that say how things are now; the others count up from the engine's start."""
