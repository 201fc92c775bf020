"""The scheduler's counts as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from treadle.serving.vllm_plugin.counters import GAUGES, ProgramCounters

PREFIX = "treadle_"

_HELP = {
    "pins": "Finished calls whose KV cache was held for the next call of their program.",
    "pin_hits": "Holds that the next call of their branch took over.",
    "pin_misses": "Holds taken over of which nothing matched.",
    "expiries": "Holds that ran out.",
    "pressure_releases": "Holds let go because a call needed the room.",
    "program_releases": "Holds let go because their program or their branch ended.",
    "reset_releases": "Holds let go because the prefix cache was reset.",
    "truncated_pins": "Holds cut short because the share of the pool for holds was used up.",
    "refused_pins": "Calls that the policy wanted held and whose kind of KV cache cannot be.",
    "prefetches": "Contexts brought back from a slower tier before a call asked for them.",
    "prefetched_tokens": "Tokens of KV cache that were brought back so.",
    "prefetch_hits": "Of these contexts, those that the next call of their branch took over.",
    "saved_prefill_tokens": "Prompt tokens found in KV cache that nothing but holds kept.",
    "prompt_tokens": "Prompt tokens of calls that started.",
    "ended_programs": "Programs that were ended, by a call or by their last one.",
    "abandoned_programs": "Programs given up because nothing was heard of them.",
    "malformed_hints": "Values in hints that could not be used and were ignored.",
    "live_programs": "Programs known now.",
    "held": "Holds now.",
    "pinned_blocks": "Blocks of KV cache in holds now, each counted once.",
    "pool_blocks": "Blocks of KV cache that can be used at all.",
}


def exposition(counters: Sequence[ProgramCounters] | None) -> bytes:
    """The counts of each engine in Prometheus' text format; None where they are not known.

    Counts that are not known are left out, as a gap that a reader of the metrics can see, and
    `treadle_scheduler_up` is 0.
    """
    registry = CollectorRegistry()
    registry.register(_Snapshot(counters))
    return generate_latest(registry)


# A registry keeps its collectors in a dict: by identity.
@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot(Collector):
    counters: Sequence[ProgramCounters] | None

    def collect(self) -> Iterator[Metric]:
        known = self.counters is not None
        yield GaugeMetricFamily(
            f"{PREFIX}scheduler_up", "Whether the scheduler told its counts.", value=int(known)
        )
        for each in fields(ProgramCounters) if known else ():
            yield self._family(each.name)

    def _family(self, name: str) -> Metric:
        kind = GaugeMetricFamily if name in GAUGES else CounterMetricFamily
        # A count that is new on the other side shows up here without a text rather than not.
        family = kind(f"{PREFIX}{name}", _HELP.get(name, name), labels=["engine"])
        for rank, counted in enumerate(self.counters or ()):
            family.add_metric([str(rank)], getattr(counted, name))
        return family
