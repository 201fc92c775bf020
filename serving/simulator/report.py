"""What comes out of an experiment, in figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from treadle.core.json_value import JsonValue
from treadle.serving.simulator.bounds import Bounds
from treadle.serving.simulator.quantiles import quantile
from treadle.serving.simulator.simulation import Simulation


@dataclass(frozen=True, slots=True)
class CompletionTimes:
    """Job completion times, from a program's arrival to its last token; seconds."""

    mean: float
    p50: float
    p95: float
    p99: float

    @staticmethod
    def of(seconds: Sequence[float]) -> CompletionTimes:
        """Of these; at least one."""
        ordered = sorted(seconds)
        quantiles = (quantile(ordered, each) for each in (0.5, 0.95, 0.99))
        return CompletionTimes(statistics.fmean(ordered), *quantiles)

    def as_json(self) -> dict[str, JsonValue]:
        """`{"mean", "p50", "p95", "p99"}`, in seconds."""
        return {"mean": self.mean, "p50": self.p50, "p95": self.p95, "p99": self.p99}


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """One policy, over all seeds: completion times are pooled, the rest is a mean over seeds.

    hit_rate: the share of prompt tokens that were found in a cache, the CPU tier's included.
    completion_seconds: what `jct` is of, ascending.
    """

    jct: CompletionTimes
    makespan: float
    recomputed_prefill_tokens: float
    hit_rate: float
    preemptions: float
    reloaded_tokens: float
    prefetched_tokens: float
    completion_seconds: tuple[float, ...]

    @staticmethod
    def of(simulations: Sequence[Simulation]) -> PolicyResult:
        """Of a policy's simulations, one for each seed; at least one."""
        seconds = sorted(each for one in simulations for each in one.completion_seconds)
        counts = [one.counts for one in simulations]
        prompt = sum(each.prompt for each in counts)
        return PolicyResult(
            CompletionTimes.of(seconds),
            statistics.fmean(one.makespan for one in simulations),
            statistics.fmean(each.recomputed for each in counts),
            sum(each.hit for each in counts) / prompt if prompt else 0.0,
            statistics.fmean(each.preemptions for each in counts),
            statistics.fmean(each.reloaded for each in counts),
            statistics.fmean(each.prefetched for each in counts),
            tuple(seconds),
        )

    def as_json(self) -> dict[str, JsonValue]:
        """Without the single completion times."""
        return {
            "jct": self.jct.as_json(),
            "makespan": self.makespan,
            "recomputed_prefill_tokens": _number(self.recomputed_prefill_tokens),
            "hit_rate": self.hit_rate,
            "preemptions": _number(self.preemptions),
            "reloaded_tokens": _number(self.reloaded_tokens),
            "prefetched_tokens": _number(self.prefetched_tokens),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all policies, in the order in which they were asked for."""

    policies: Mapping[str, PolicyResult]
    bounds: Bounds

    def as_json(self) -> dict[str, JsonValue]:
        """`{"policies": {NAME: ...}, "bounds": ...}`."""
        return {
            "policies": {name: result.as_json() for name, result in self.policies.items()},
            "bounds": {
                "jct_mean": self.bounds.jct_mean,
                "recomputed_prefill_tokens": _number(self.bounds.recomputed_prefill_tokens),
            },
        }


def _number(value: float) -> int | float:
    """Whole where it is whole, as counts of one seed are."""
    return int(value) if math.isfinite(value) and value == int(value) else value
