"""Brings KV back from a slower tier before the call that needs it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from treadle.serving.policy.contract import BranchKey, Pool, SchedulingPolicy
from treadle.serving.policy.demotions import LOOK_AGAIN, Demotions
from treadle.serving.vllm_plugin.call_ledger import CallLedger
from treadle.serving.vllm_plugin.holdings import Holdings
from treadle.serving.vllm_plugin.pins import Groups, HeldContext
from treadle.serving.vllm_plugin.tier_rate import TierRate

_MOST = 256
"""Branches that are watched at once: the names of the blocks of one take about 160 KB for 35,000
tokens."""


@dataclass(frozen=True, slots=True)
class TierLoad:
    """A load that has begun, under the name of a request that nobody made.

    tokens: how many come; with none, all that can be had is in the pool already.
    """

    request_id: str
    tokens: int


class TierLoader(Protocol):
    """What an engine can do for it."""

    @property
    def hash_tokens(self) -> int:
        """Tokens that one name stands for."""
        ...

    def begin(self, names: Sequence[bytes]) -> TierLoad | None:
        """Begin to load what of these blocks is not in the pool; None where nothing is to be had
        now, or there is no room."""
        ...

    def landed(self, load: TierLoad) -> Groups | None:
        """The blocks of a load that has ended; None while it is under way."""
        ...

    def end(self, load: TierLoad) -> None:
        """Let go of its blocks."""
        ...


@dataclass(slots=True)
class _Coming:
    load: TierLoad
    key: BranchKey
    names: Sequence[bytes]
    until: float
    wanted: bool = True


class Prefetcher:
    """Asks `policy` about what is not held any more, has `loader` load it, and holds it again.

    calls: those that are in the engine: what they need they ask for themselves.
    """

    def __init__(
        self,
        policy: SchedulingPolicy,
        loader: TierLoader,
        holdings: Holdings,
        tier: TierRate,
        calls: CallLedger,
        pool: Callable[[], Pool],
    ) -> None:
        self._policy = policy
        self._loader = loader
        self._holdings = holdings
        self._tier = tier
        self._calls = calls
        self._pool = pool
        self._demotions: Demotions[Sequence[bytes]] = Demotions(_MOST)
        self._wanted: list[tuple[BranchKey, Sequence[bytes]]] = []
        self._coming: dict[str, _Coming] = {}

    @property
    def next(self) -> float:
        """When to ask next; infinity for not at all."""
        return self._demotions.next

    def names(self, hashes: Sequence[bytes], computed_tokens: int) -> Sequence[bytes]:
        """Those of a context of which so many tokens are computed; none without a tier."""
        if self._tier.rate is None:
            return ()
        return hashes[: computed_tokens // self._loader.hash_tokens]

    def demoted(self, key: BranchKey, names: Sequence[bytes], now: float) -> None:
        """The KV of a branch that is away is not held any more."""
        self._demotions.add(key, names, now)

    def arrived(self, key: BranchKey) -> None:
        """A call of the branch came."""
        self._demotions.remove(key)

    def left(self, request_id: str, now: float) -> None:
        """A request ended; if it was a load's, it was given up."""
        coming = self._coming.pop(request_id, None)
        if coming is not None:
            self._over(coming, now)
            if coming.wanted:
                self._policy.lost(*coming.key, now)

    def ended(self, program_id: str) -> None:
        """The program is over: nothing more is brought back for it, and what comes is not held."""
        self._demotions.remove_program(program_id)
        self._wanted = [each for each in self._wanted if each[0][0] != program_id]
        for coming in self._coming.values():
            coming.wanted = coming.wanted and coming.key[0] != program_id

    def ask(self, now: float) -> bool:
        """Ask the policy about what is due; whether there is anything to begin."""
        due = self._demotions.due(now)
        for key, names in due:
            at = self._policy.prefetch(*key, self._pool(), now)
            if at > now:
                self._demotions.add(key, names, at)
            elif not self._calls.of_branch(key):
                self._wanted.append((key, names))
        if due:
            self._holdings.wake_in_time()
        return bool(self._wanted)

    def begin(self, now: float) -> None:
        """Begin what the policy wants."""
        self.ask(now)
        wanted, self._wanted = self._wanted, []
        for key, names in wanted:
            if self._calls.of_branch(key):
                continue
            load = self._loader.begin(names)
            if load is None:
                self._demotions.add(key, names, now + LOOK_AGAIN)
                continue
            until = self._policy.prefetched(*key, self._pool(), now)
            coming = _Coming(load, key, names, until)
            if load.tokens:
                self._tier.began(load.tokens, now)
            self._coming[load.request_id] = coming
        self.land(now)

    def land(self, now: float) -> None:
        """Hold what has come."""
        for coming in list(self._coming.values()):
            groups = self._loader.landed(coming.load)
            if groups is None:
                continue
            del self._coming[coming.load.request_id]
            self._over(coming, now)
            self._hold(coming, groups, now)
            self._loader.end(coming.load)

    def _hold(self, coming: _Coming, groups: Groups, now: float) -> None:
        runs = self._calls.of_branch(coming.key) and not self._calls.awaits(coming.key)
        if runs or not coming.wanted:
            return
        if coming.until <= now or not any(groups):
            self._policy.lost(*coming.key, now)
            return
        self._holdings.tally["prefetches"] += 1
        self._holdings.tally["prefetched_tokens"] += coming.load.tokens
        origin = HeldContext(coming.names, prefetched=True)
        self._holdings.begin(coming.key, groups, now, coming.until, origin)

    def _over(self, coming: _Coming, now: float) -> None:
        if coming.load.tokens:
            self._tier.ended(now)
