"""What the KV pool of an engine holds, as far as it can be told from outside of it.

An engine that was not told otherwise keeps the KV of finished calls until it needs the room, and
then takes the least recently used first, each from its end. The ledger follows that from what is
sent to the engine and from the sizes that come back, so it is an estimate: others may use the
engine too.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypeAlias

from treadle.serving.policy.contract import Call, Hold, Pool

Branch: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Cached:
    """KV of a branch that does not run: how much is left of it, and how long it is wanted."""

    tokens: int
    since: float
    until: float


class KvLedger:
    """The running calls and the cached branches of one engine; sizes in tokens."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a pool has at least one token")
        self._capacity = capacity
        self._running: dict[str, int] = {}
        self._running_tokens = 0
        # The least recently used first; a branch that runs is not in here.
        self._cached: OrderedDict[Branch, _Cached] = OrderedDict()
        self._cached_tokens = 0
        self._held: set[Branch] = set()

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def running_calls(self) -> int:
        return len(self._running)

    def resize(self, capacity: int) -> None:
        """The engine said how large its pool is."""
        if capacity < 1:
            raise ValueError("a pool has at least one token")
        self._capacity = capacity
        self._evict()

    def cached(self, call: Call) -> int:
        """Tokens of the prompt of `call` that are thought to be there."""
        if not call.program_id:
            return 0
        own = self._cached.get((call.program_id, call.branch))
        if own is None and call.branch:
            # A branch begins as a copy of the trunk.
            own = self._cached.get((call.program_id, ""))
        return 0 if own is None else min(own.tokens, call.prompt_tokens)

    def start(self, call: Call, tokens: int) -> None:
        """`call` was sent and will take `tokens` in all, those that are cached included."""
        self._remove(_branch_of(call))
        self._running[call.call_id] = tokens
        self._running_tokens += tokens
        self._evict()

    def finish(self, call: Call, tokens: int, now: float, until: float) -> None:
        """`call` ended; its KV, `tokens` in all, is wanted until `until`."""
        self._running_tokens -= self._running.pop(call.call_id, 0)
        self._put(_branch_of(call), _Cached(min(tokens, self._capacity), now, until), now)
        self._evict()

    def leave(self, program_id: str) -> None:
        """The program is over: what it has cached is wanted by nobody."""
        for branch in [each for each in self._held if each[0] == program_id]:
            self._held.discard(branch)

    def let_go(self, hold: Hold) -> None:
        """Nobody wants `hold` any more; it stays until its room is needed."""
        self._held.discard((hold.program_id, hold.branch))

    def unhold(self, call: Call) -> None:
        """Nobody comes back for the branch of `call`."""
        self._held.discard(_branch_of(call))

    def expire(self, now: float) -> list[Branch]:
        """Let go of the holds that have ended by now; returns whose they were."""
        ended = [each for each in self._held if self._cached[each].until <= now]
        self._held.difference_update(ended)
        return ended

    def lost(self) -> None:
        """The engine went away: what was cached there is gone."""
        self._cached.clear()
        self._held.clear()
        self._cached_tokens = 0

    def own_hold(self, call: Call) -> int:
        """Tokens held for the branch of `call` itself."""
        branch = _branch_of(call)
        return self._cached[branch].tokens if branch in self._held else 0

    def holds(self, without: Call | None = None) -> list[Hold]:
        """What is held, the least recently used first; not that of the branch of `without`."""
        own = None if without is None else _branch_of(without)
        return [
            Hold(branch[0], branch[1], kept.tokens, kept.since, kept.until)
            for branch, kept in self._cached.items()
            if branch in self._held and branch != own
        ]

    def pool(self, waiting_calls: int) -> Pool:
        """The pool as the policy sees it."""
        return Pool(
            capacity=self._capacity,
            running=self._running_tokens,
            held=sum(self._cached[branch].tokens for branch in self._held),
            running_calls=len(self._running),
            waiting_calls=waiting_calls,
        )

    @property
    def next_expiry(self) -> float | None:
        """When the next hold ends by itself."""
        return min((self._cached[branch].until for branch in self._held), default=None)

    @property
    def cached_tokens(self) -> int:
        """All that is thought to be cached, held or not."""
        return self._cached_tokens

    def _put(self, branch: Branch, kept: _Cached, now: float) -> None:
        self._remove(branch)
        if kept.tokens <= 0:
            return
        self._cached[branch] = kept
        self._cached_tokens += kept.tokens
        if kept.until > now:
            self._held.add(branch)

    def _remove(self, branch: Branch) -> None:
        kept = self._cached.pop(branch, None)
        if kept is not None:
            self._cached_tokens -= kept.tokens
            self._held.discard(branch)

    def _evict(self) -> None:
        excess = self._running_tokens + self._cached_tokens - self._capacity
        while excess > 0 and self._cached:
            branch, kept = next(iter(self._cached.items()))
            if kept.tokens <= excess:
                self._remove(branch)
            else:
                self._cached[branch] = replace(kept, tokens=kept.tokens - excess)
                self._cached_tokens -= excess
            excess -= kept.tokens


def _branch_of(call: Call) -> Branch:
    # Calls of no program share nothing; each is a branch of its own.
    return (call.program_id, call.branch) if call.program_id else ("", call.call_id)
