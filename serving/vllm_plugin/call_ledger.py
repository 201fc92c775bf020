"""The calls that are in an engine, and which of them wait for KV that is held for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from treadle.serving.policy.contract import BranchKey, Call
from treadle.serving.vllm_plugin.call_metadata import CallMetadata, MetadataReader
from treadle.serving.vllm_plugin.engine_types import EngineRequest


@dataclass(slots=True)
class LiveCall:
    """A call from its arrival to its end. running: it has blocks (again). loading: its KV is on
    the way from a slower tier, and it runs when that is there."""

    call: Call
    metadata: CallMetadata
    running: bool = False
    loading: bool = False

    @property
    def key(self) -> BranchKey:
        """The branch that it extends."""
        return self.call.program_id, self.call.branch


class CallLedger:
    """All of them, by the request's id."""

    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}
        self._waiting: Counter[BranchKey] = Counter()
        self._branches: Counter[BranchKey] = Counter()
        self._reader = MetadataReader()
        self._hinted = 0
        self._running = 0
        self._loading = 0

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(self._calls.values())

    def __getitem__(self, request_id: str) -> LiveCall:
        return self._calls[request_id]

    def get(self, request_id: str) -> LiveCall | None:
        """The call behind a request; None for one that never came by here."""
        return self._calls.get(request_id)

    @property
    def hinted(self) -> int:
        """How many of them belong to a program."""
        return self._hinted

    @property
    def running(self) -> int:
        """How many of them have blocks."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many of them have none."""
        return len(self._calls) - self._running

    @property
    def loading(self) -> int:
        """How many of them have blocks that are being filled from a slower tier."""
        return self._loading

    @property
    def malformed_hints(self) -> int:
        """How many values in hints could not be used."""
        return self._reader.malformed

    def awaits(self, key: BranchKey) -> bool:
        """Whether a call of this branch waits to start."""
        return key in self._waiting

    def of_branch(self, key: BranchKey) -> int:
        """How many of them extend this branch."""
        return self._branches.get(key, 0)

    def arrive(self, request: EngineRequest, now: float) -> LiveCall:
        """A request came in."""
        metadata = self._reader.read(request)
        live = LiveCall(metadata.call(request, now), metadata)
        self._calls[request.request_id] = live
        if live.call.program_id:
            self._hinted += 1
            self._waiting[live.key] += 1
            self._branches[live.key] += 1
        return live

    def start(self, live: LiveCall) -> None:
        """It got blocks."""
        live.running = True
        self._running += 1
        self._waits_no_more(live)

    def load(self, live: LiveCall, *, loading: bool) -> None:
        """What it has in a slower tier begins to come, or is there. (Also where it has left: a
        load that was given up is there.)"""
        self._loading += loading - live.loading
        live.loading = loading

    def preempt(self, live: LiveCall) -> None:
        """It lost them."""
        live.running = False
        self._running -= 1
        if live.call.program_id:
            self._waiting[live.key] += 1

    def leave(self, request_id: str) -> LiveCall | None:
        """A request ended; None where it never came by here."""
        live = self._calls.pop(request_id, None)
        if live is None:
            return None
        self._running -= live.running
        if live.call.program_id:
            self._hinted -= 1
            _take(self._branches, live.key)
            if not live.running:
                self._waits_no_more(live)
        return live

    def _waits_no_more(self, live: LiveCall) -> None:
        if live.call.program_id:
            _take(self._waiting, live.key)


def _take(counts: Counter[BranchKey], key: BranchKey) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
