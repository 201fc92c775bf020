"""The router's figures for Prometheus, in a registry of their own."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from treadle.serving.router.gate import ProgramGate

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class RouterMetrics:
    """Counters and histograms; what the gate holds is read when it is asked for."""

    def __init__(self, gate: ProgramGate, engines: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_GateGauges(gate, tuple(engines)))
        name = "treadle_router_"
        self.replies = Counter(
            name + "replies",
            "Replies passed on, by engine and HTTP status.",
            ["engine", "status"],
            registry=self._registry,
        )
        self.refusals = Counter(
            name + "refusals",
            "Requests that the router answered with an error of its own.",
            ["code"],
            registry=self._registry,
        )
        self.retries = Counter(
            name + "retries",
            "Calls tried elsewhere after an engine failed before the first byte.",
            ["engine"],
            registry=self._registry,
        )
        self.cut = Counter(
            name + "cut_streams",
            "Streams that ended with an error event.",
            ["engine"],
            registry=self._registry,
        )
        self.gone = Counter(
            name + "clients_gone",
            "Clients that left, or took nothing more, before their reply was over.",
            registry=self._registry,
        )
        self.tokens = Counter(
            name + "tokens",
            "Tokens as the engines reported them: prompt, cached (part of prompt), output.",
            ["engine", "kind"],
            registry=self._registry,
        )
        self.rules = Counter(
            name + "rule_hits", "Calls that a rule applied to.", ["rule"], registry=self._registry
        )
        self.wait = Histogram(
            name + "wait_seconds",
            "From a call's arrival to its being sent.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.first_byte = Histogram(
            name + "first_byte_seconds",
            "From a call's being sent to the first byte of its reply.",
            ["engine"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def page(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _GateGauges(Collector):
    def __init__(self, gate: ProgramGate, engines: tuple[str, ...]) -> None:
        self._gate = gate
        self._engines = engines

    def collect(self) -> Iterable[Metric]:
        name = "treadle_router_"
        yield GaugeMetricFamily(
            name + "programs", "Programs that are remembered.", value=self._gate.programs
        )
        up = GaugeMetricFamily(name + "engine_up", "Whether it answers.", labels=["engine"])
        running = GaugeMetricFamily(name + "running", "Calls sent.", labels=["engine"])
        waiting = GaugeMetricFamily(name + "waiting", "Calls that wait.", labels=["engine"])
        tokens = GaugeMetricFamily(
            name + "kv_tokens", "The estimate of the KV pool.", labels=["engine", "state"]
        )
        for engine in self._engines:
            pool = self._gate.pool(engine)
            up.add_metric([engine], float(self._gate.is_up(engine)))
            running.add_metric([engine], pool.running_calls)
            waiting.add_metric([engine], pool.waiting_calls)
            tokens.add_metric([engine, "capacity"], pool.capacity)
            tokens.add_metric([engine, "running"], pool.running)
            tokens.add_metric([engine, "held"], pool.held)
        yield from (up, running, waiting, tokens)
