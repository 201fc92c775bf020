"""One upstream as the gate sees it: what waits for it, what runs on it, what it has cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from treadle.serving.policy.contract import Call, Outcome, Pool, Rank, SchedulingPolicy
from treadle.serving.router.fair_shares import FairShares
from treadle.serving.router.kv_ledger import KvLedger
from treadle.serving.router.learned import Learned
from treadle.serving.router.prefix import PrefixGroups, PrefixIndex, PrefixMark
from treadle.serving.router.urgency import urgency

_MOST_TOGETHER = 16
"""Calls with a common beginning that go one after the other before somebody else's turn comes."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """An engine behind the router.

    kv_tokens: the size of its KV pool; a guess is better than nothing, too small costs batching,
        too large costs cache hits.
    max_in_flight: calls that are sent to it at once; what is above waits in the router, where the
        order can still be chosen.
    """

    name: str
    kv_tokens: int
    max_in_flight: int = 64

    def __post_init__(self) -> None:
        if not self.name or self.kv_tokens < 1 or self.max_in_flight < 1:
            raise ValueError("an upstream has a name, KV tokens and calls in flight")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call in the gate.

    marks: the beginnings of its prompt. only: the upstreams that may have it, None for any.
    excluded: those that failed it. queued: since when it waits where it waits now.
    """

    call: Call
    marks: tuple[PrefixMark, ...]
    only: frozenset[str] | None
    excluded: frozenset[str]
    queued: float


@dataclass(frozen=True, slots=True)
class _Place:
    """A call's place in the order: what it is due comes before the rank that the policy gives."""

    ticket: Ticket
    due: tuple[float, ...]
    rank: Rank
    group: bytes | None


class Lane:
    """The queue of one upstream, in the order of its policy, deadlines, shares and prefixes."""

    def __init__(
        self,
        upstream: Upstream,
        policy: SchedulingPolicy,
        shares: FairShares,
        learned: Learned,
        urgency_horizon: float,
    ) -> None:
        self.name = upstream.name
        self.max_in_flight = upstream.max_in_flight
        self.policy = policy
        self.ledger = KvLedger(upstream.kv_tokens)
        self.prefixes = PrefixIndex()
        self.up = True
        self.waiting: dict[str, Ticket] = {}
        self.running: dict[str, Ticket] = {}
        self._shares = shares
        self._learned = learned
        self._horizon = urgency_horizon
        self._groups = PrefixGroups()
        self._backlog = 0
        # Tokens to be computed for calls that have not begun to answer, and for each of them how
        # many there were when it was sent, its own included.
        self._to_compute: dict[str, int] = {}
        self._ahead: dict[str, int] = {}
        # The prefix whose calls go one after the other at the moment, and how many have gone.
        self._following: bytes | None = None
        self._followed = 0

    @property
    def pool(self) -> Pool:
        return self.ledger.pool(len(self.waiting))

    @property
    def backlog(self) -> int:
        """Prompt tokens that wait to be computed there."""
        return self._backlog

    def enqueue(self, ticket: Ticket, now: float) -> None:
        """`ticket` waits here from now on."""
        self.waiting[ticket.call.call_id] = ticket
        self._groups.add(ticket.marks)
        self.prefixes.add(ticket.marks)
        self._backlog += ticket.call.prompt_tokens
        self.policy.arrived(ticket.call, now)

    def withdraw(self, call_id: str, now: float) -> Ticket | None:
        """Take a call out that waits or runs; None where it does neither here."""
        ticket = self._leave_queue(call_id)
        if ticket is None:
            ticket = self.running.pop(call_id, None)
            if ticket is None:
                return None
            # How far it got is not known: what it shares with its next call is likely there.
            self.ledger.finish(ticket.call, ticket.call.prompt_tokens, now, now)
            self._answers(call_id)
        self.policy.aborted(ticket.call, now)
        self.ledger.unhold(ticket.call)
        return ticket

    def moved_away(self, call: Call, now: float) -> None:
        """The branch of `call` goes on at another upstream: its KV here is of no more use."""
        if not self.ledger.own_hold(call):
            return
        # For the policy here it came back, which says how long its tools took, and left again.
        self.policy.arrived(call, now)
        self.policy.aborted(call, now)
        self.ledger.unhold(call)

    def take(self, now: float) -> Iterator[Ticket]:
        """The calls to send now, in order; each counts as running when it is given."""
        for program_id, branch in self.ledger.expire(now):
            self.policy.lost(program_id, branch, now)
        if not self.up:
            return
        queue = self._ordered(now)
        while queue and len(self.running) < self.max_in_flight:
            chosen = self._next(queue, now)
            if chosen is None:
                break
            queue.remove(chosen)
            changed = self._follow(chosen.group) or self._shares.competing
            yield self._start(chosen.ticket, now)
            if changed:
                queue = self._ordered(now)
        if queue and not self.running:
            # Although somebody may be held: here a hold is a guess, and nobody loses by one more
            # call what an engine's cache has room for.
            self._make_room(queue[0].ticket.call, now, must=True)
            yield self._start(queue[0].ticket, now)

    def answered(self, call_id: str, seconds: float) -> None:
        """A call began to answer, `seconds` after it was sent: that is how fast prefill is.

        An engine prefills in the order of arrival, so that all that was there to compute when the
        call was sent took that long.
        """
        ticket, tokens = self.running.get(call_id), self._answers(call_id)
        if ticket is not None and tokens:
            self.policy.stepped(tokens, 0, ticket.call.prompt_tokens, seconds)

    def finish(self, call_id: str, outcome: Outcome, now: float) -> Ticket | None:
        """A call that ran here ended; None where it did not run here."""
        ticket = self.running.pop(call_id, None)
        if ticket is None:
            return None
        self._answers(call_id)
        pool = self.pool
        until = self.policy.finished(ticket.call, outcome, pool, now)
        self.ledger.finish(ticket.call, outcome.context_tokens, now, until)
        return ticket

    def end(self, program_id: str, now: float) -> None:
        """The program is over."""
        self.ledger.leave(program_id)
        self.policy.ended(program_id, now)

    def fits(self, call: Call) -> bool:
        """Whether it could run at once without anybody giving way."""
        return (
            not self.waiting
            and len(self.running) < self.max_in_flight
            and self.pool.free >= self._size(call) - self.ledger.own_hold(call)
        )

    def cost(self, call: Call, marks: Sequence[PrefixMark]) -> float:
        """Tokens to be computed, or to be evicted and computed again, before `call` could start.

        What is cached of it counts for the upstream, what waits there already and what it has no
        room for count against it: that is how a program stays where its KV is until that no
        longer pays.
        """
        known = min(self.prefixes.known(marks), call.prompt_tokens)
        to_compute = call.prompt_tokens - max(self.ledger.cached(call), known)
        pool = self.pool
        lacking = max(0, self._size(call) - self.ledger.own_hold(call) - pool.free)
        # With every place taken, even a call that needs nothing waits for one to end.
        queue = len(self.waiting) + max(0, len(self.running) + 1 - self.max_in_flight)
        return to_compute + self._backlog + lacking + queue * self._learned.output_tokens

    def _answers(self, call_id: str) -> int:
        """It is computed; returns what was to be computed until then."""
        self._to_compute.pop(call_id, None)
        return self._ahead.pop(call_id, 0)

    def _leave_queue(self, call_id: str) -> Ticket | None:
        ticket = self.waiting.pop(call_id, None)
        if ticket is not None:
            self._groups.remove(ticket.marks)
            self._backlog -= ticket.call.prompt_tokens
        return ticket

    def _start(self, ticket: Ticket, now: float) -> Ticket:
        call = ticket.call
        cached = self.ledger.cached(call)
        self._leave_queue(call.call_id)
        self.ledger.start(call, self._size(call))
        self.running[call.call_id] = ticket
        self._to_compute[call.call_id] = call.prompt_tokens - cached
        self._ahead[call.call_id] = sum(self._to_compute.values())
        self.policy.started(call, cached, now)
        return ticket

    def _make_room(self, call: Call, now: float, *, must: bool) -> bool:
        """Whether there is room for `call` now, perhaps because holds were let go of."""
        wanted = self._size(call) - self.ledger.own_hold(call)
        pool = self.pool
        if pool.free >= wanted:
            return True
        missing = wanted - pool.free
        holds = self.ledger.holds(without=call)
        released = self.policy.release(call, missing, holds, pool, now, must=must)
        if not must and sum(hold.tokens for hold in released) < missing:
            return False
        for hold in released:
            self.ledger.let_go(hold)
        return True

    def _size(self, call: Call) -> int:
        return min(call.prompt_tokens + int(self._learned.output_tokens), self.ledger.capacity)

    def _next(self, queue: Sequence[_Place], now: float) -> _Place | None:
        """The one to send next; None where nobody may come in, or there is no room for the first.

        The policy says whether one more may come in. Which one, shares and deadlines say before
        it does: who is due and was refused because another comes first takes that one's place.
        """
        pool = self.pool
        due: _Place | None = None
        for place in queue:
            call = place.ticket.call
            if not self.policy.admits(call, pool, now):
                due = due or place
                continue
            if due is not None and due.due < place.due and not self.ledger.own_hold(call):
                place = due
            # Whoever is first waits for room: smaller calls behind it must not starve it.
            return place if self._make_room(place.ticket.call, now, must=False) else None
        return None

    def _ordered(self, now: float) -> list[_Place]:
        """Who goes first: fair shares, then deadlines, then prefixes, then the policy's rank."""
        if len(self.running) >= self.max_in_flight:
            return []
        lags = {each.call.tenant: 0 for each in self.waiting.values()}
        for tenant in lags:
            lags[tenant] = self._shares.lag(tenant)
        places = [self._place(ticket, lags, now) for ticket in self.waiting.values()]
        places.sort(key=lambda place: (place.due, place.rank))
        return places

    def _place(self, ticket: Ticket, lags: Mapping[str, int], now: float) -> _Place:
        call = ticket.call
        late, slack = urgency(call, now, self._learned.call_seconds, self._horizon)
        group = None
        follows = False
        if ticket.marks and not self.ledger.cached(call):
            # The last of a group shares its beginning with nobody who waits, but with those
            # that have just gone.
            follows = any(mark.digest == self._following for mark in ticket.marks)
            group = self._following if follows else self._groups.group(ticket.marks)
        due = (lags[call.tenant], late, slack, 0 if follows else 1)
        return _Place(ticket, due, self.policy.rank(call, now), group)

    def _follow(self, group: bytes | None) -> bool:
        """A call of `group` is sent: those that begin like it go next, as long as it is fair.

        Whether that changes the order.
        """
        if group is None:
            return False
        if group != self._following:
            self._following, self._followed = group, 0
            return True
        self._followed += 1
        if self._followed >= _MOST_TOGETHER:
            self._following = None
            return True
        return False
