"""The part of the router that decides: which call goes where, and when. No I/O, no clock.

Whoever drives a `ProgramGate` (the router's server, the simulator) tells it what happens and asks
it what to send:

    gate = ProgramGate([Upstream("a", kv_tokens=397_000)], StockPolicy)
    gate.submit(call, now)                      # a request came in; it waits
    for call, upstream in gate.next(now):       # after every event, and at gate.wake_at(now)
        ...                                     # send it
    gate.answered(call.call_id, now)            # it began to answer (may be left out)
    gate.finished(call.call_id, outcome, now)   # it was answered
    gate.failed(call.call_id, now)              # it was not, and nothing of an answer was seen
    gate.aborted(call.call_id, now)             # its client is gone, or the answer broke off
    gate.ended(program_id, now)                 # the program is over

Promises: a call is given by `next` at most once for each `submit` and each `failed` that returned
True; never more than `max_in_flight` calls run on an upstream; while an upstream is up and nothing
runs on it, `next` gives the first that waits for it, so that nothing waits forever. In the
sense of `treadle.serving.policy.contract` each upstream is an engine with a policy of its own,
whose KV pool is an estimate (`KvLedger`). `now` is in seconds and never goes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from treadle.serving.policy.contract import Call, Outcome, Pool, SchedulingPolicy
from treadle.serving.router.errors import RouterError
from treadle.serving.router.fair_shares import FairShares
from treadle.serving.router.lane import Lane, Ticket, Upstream
from treadle.serving.router.learned import Learned
from treadle.serving.router.prefix import PrefixMark

_RECOMPUTED_PER_SECOND = 10_000

_AGAIN_SECONDS = 0.5
"""What waits is looked at again: the longer a tool takes, the less its program's KV is worth."""


class Dispatch(NamedTuple):
    """A call to be sent now, and to which upstream."""

    call: Call
    upstream: str


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What bounds the gate.

    max_waiting: calls that wait; more are refused.
    spill_seconds: how long a call waits at one upstream before it may move to an idle one; what
        it has cached there adds the time to compute that anew.
    program_idle_seconds: a program that made no call for so long is taken for ended.
    max_programs: how many are remembered; beyond, the longest idle are taken for ended.
    urgency_horizon: calls with less slack than so many seconds go first.
    fair_quantum: tokens that a tenant may be ahead of another before it has to wait.
    """

    max_waiting: int = 2_000
    spill_seconds: float = 1.0
    program_idle_seconds: float = 3_600.0
    max_programs: int = 100_000
    urgency_horizon: float = 30.0
    fair_quantum: float = 50_000.0


@dataclass(slots=True)
class _Program:
    seen: float
    home: str
    visited: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)


class ProgramGate:
    """Orders, admits and places the calls of programs on upstreams; see the module's text."""

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        make_policy: Callable[[], SchedulingPolicy],
        *,
        limits: GateLimits | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """make_policy: called once for each upstream. weights: of tenants, 1.0 for the others.

        Raises ValueError for no upstream, or two of one name.
        """
        self.limits = limits or GateLimits()
        self.learned = Learned()
        self._shares = FairShares(self.limits.fair_quantum, weights)
        self._lanes = {
            each.name: Lane(
                each, make_policy(), self._shares, self.learned, self.limits.urgency_horizon
            )
            for each in upstreams
        }
        if not upstreams or len(self._lanes) != len(upstreams):
            raise ValueError("a gate needs upstreams, each with a name of its own")
        # The longest idle first.
        self._programs: OrderedDict[str, _Program] = OrderedDict()
        self._where: dict[str, Lane] = {}
        self._sent: dict[str, float] = {}
        self._charged: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def in_flight(self) -> int:
        """Calls that were sent and have not ended."""
        return len(self._sent)

    @property
    def programs(self) -> int:
        """Programs that are remembered."""
        return len(self._programs)

    def pool(self, upstream: str) -> Pool:
        """The estimate of an upstream's KV pool. Raises KeyError for one that is not there."""
        return self._lanes[upstream].pool

    def submit(
        self,
        call: Call,
        now: float,
        *,
        marks: Sequence[PrefixMark] = (),
        only: Iterable[str] | None = None,
    ) -> None:
        """`call` came in and waits until `next` gives it.

        marks: the beginnings of its prompt. only: the upstreams that may have it.

        Raises RouterError: `router_full` (429) when too many wait, `no_engine` (503) when no
        upstream that may have it is up.
        """
        if call.call_id in self._where:
            raise ValueError(f"a call with the id {call.call_id} is there already")
        if self.waiting >= self.limits.max_waiting:
            raise RouterError(
                "router_full",
                f"{self.waiting} calls wait already; try again later",
                status=429,
                retry_after=self.expected_wait(),
            )
        chosen = None if only is None else frozenset(only)
        ticket = Ticket(call, tuple(marks), chosen, frozenset(), now)
        lane = self._place(ticket)
        if lane is None:
            raise RouterError(
                "no_engine", "no engine that may take this call is up", status=503, retry_after=5.0
            )
        self._shares.joined(call.tenant)
        self._enqueue(ticket, lane, now)

    def next(self, now: float) -> list[Dispatch]:
        """What to send now."""
        self._forget_idle(now)
        if len(self._lanes) > 1:
            self._spill(now)
        return [
            self._dispatched(ticket, lane, now)
            for lane in self._lanes.values()
            for ticket in lane.take(now)
        ]

    def answered(self, call_id: str, now: float) -> None:
        """The first byte of an answer came. Nothing happens for a call that was not sent."""
        lane, sent = self._where.get(call_id), self._sent.get(call_id)
        if lane is not None and sent is not None:
            lane.answered(call_id, now - sent)

    def finished(self, call_id: str, outcome: Outcome, now: float) -> None:
        """A call that was sent was answered. Nothing happens for a call that is not there."""
        lane = self._where.get(call_id)
        ticket = None if lane is None else lane.finish(call_id, outcome, now)
        if lane is None or ticket is None:
            return
        self.learned.observe(outcome.output_tokens, now - self._sent[call_id])
        program_id = ticket.call.program_id
        if program_id and program_id not in self._programs:
            # It was ended while the call ran: nobody comes back for what the call has left.
            lane.end(program_id, now)
        used = outcome.context_tokens - self._charged[call_id]
        self._shares.charge(ticket.call.tenant, used)
        self._gone(ticket, now)

    def failed(self, call_id: str, now: float) -> bool:
        """An upstream failed a call before anything of an answer came; whether it is tried again.

        If so it waits for another upstream, and `next` gives it once more; else it is gone.
        """
        lane = self._where.get(call_id)
        ticket = None if lane is None else lane.withdraw(call_id, now)
        if lane is None or ticket is None:
            return False
        self._shares.charge(ticket.call.tenant, -self._charged.pop(call_id, 0))
        self._sent.pop(call_id, None)
        again = replace(ticket, excluded=ticket.excluded | {lane.name}, queued=now)
        other = self._place(again)
        if other is None:
            self._gone(ticket, now)
            return False
        self._enqueue(again, other, now)
        return True

    def aborted(self, call_id: str, now: float) -> None:
        """A call that waits or runs is of no more use. Nothing happens where it is not there."""
        lane = self._where.get(call_id)
        ticket = None if lane is None else lane.withdraw(call_id, now)
        if ticket is not None:
            self._gone(ticket, now)

    def ended(self, program_id: str, now: float) -> tuple[str, ...]:
        """The program is over; returns the upstreams that had calls of it."""
        program = self._programs.pop(program_id, None)
        if program is None:
            return ()
        for name in sorted(program.visited):
            self._lanes[name].end(program_id, now)
        return tuple(sorted(program.visited))

    def set_up(self, upstream: str, up: bool, now: float) -> list[Call]:
        """An upstream is there (again), or it is not; returns the calls that have nowhere to go.

        What waits for one that is gone moves to the others; the calls returned are gone. Calls
        that run on it end as they end.
        """
        lane = self._lanes[upstream]
        if lane.up == up:
            return []
        lane.up = up
        if up:
            return []
        lane.ledger.lost()
        lane.prefixes.clear()
        stranded = []
        for call_id in list(lane.waiting):
            ticket = lane.withdraw(call_id, now)
            assert ticket is not None
            other = self._place(ticket)
            if other is None:
                self._gone(ticket, now)
                stranded.append(ticket.call)
            else:
                self._enqueue(replace(ticket, queued=now), other, now)
        return stranded

    def is_up(self, upstream: str) -> bool:
        """Whether calls are sent there."""
        return self._lanes[upstream].up

    def resize(self, upstream: str, kv_tokens: int) -> None:
        """The upstream said how large its KV pool is."""
        self._lanes[upstream].ledger.resize(kv_tokens)

    def wake_at(self, now: float) -> float | None:
        """When to call `next` although nothing has happened; None for never."""
        if not self.waiting:
            return None
        times: list[float | None] = [now + _AGAIN_SECONDS]
        times += [lane.ledger.next_expiry for lane in self._lanes.values() if lane.waiting]
        if len(self._lanes) > 1:
            times += [
                self._may_move(ticket, lane)
                for lane in self._lanes.values()
                for ticket in lane.waiting.values()
            ]
        return min((time for time in times if time is not None and time > now), default=None)

    def expected_wait(self) -> float:
        """Seconds until a call that came in now would be sent, roughly; from 1 to 60."""
        places = sum(lane.max_in_flight for lane in self._lanes.values() if lane.up)
        wait = self.learned.call_seconds * self.waiting / max(1, places)
        return min(60.0, max(1.0, wait))

    def _place(self, ticket: Ticket) -> Lane | None:
        """The upstream where `ticket` costs least; None where none may have it."""
        program = self._programs.get(ticket.call.program_id)
        home = None if program is None else program.home
        able = [
            lane
            for lane in self._lanes.values()
            if lane.up
            and lane.name not in ticket.excluded
            and (ticket.only is None or lane.name in ticket.only)
        ]
        return min(
            able,
            key=lambda lane: (
                lane.cost(ticket.call, ticket.marks),
                lane.name != home,
                (len(lane.running) + len(lane.waiting)) / lane.max_in_flight,
            ),
            default=None,
        )

    def _enqueue(self, ticket: Ticket, lane: Lane, now: float) -> None:
        call = ticket.call
        self._where[call.call_id] = lane
        if call.program_id:
            program = self._programs.setdefault(call.program_id, _Program(now, lane.name))
            program.seen, program.home = now, lane.name
            for name in program.visited - {lane.name}:
                self._lanes[name].moved_away(call, now)
            program.visited.add(lane.name)
            program.calls.add(call.call_id)
            self._programs.move_to_end(call.program_id)
        lane.enqueue(ticket, now)

    def _dispatched(self, ticket: Ticket, lane: Lane, now: float) -> Dispatch:
        call = ticket.call
        self._sent[call.call_id] = now
        self._charged[call.call_id] = call.prompt_tokens
        self._shares.charge(call.tenant, call.prompt_tokens)
        return Dispatch(call, lane.name)

    def _gone(self, ticket: Ticket, now: float) -> None:
        call = ticket.call
        self._where.pop(call.call_id, None)
        self._sent.pop(call.call_id, None)
        self._charged.pop(call.call_id, None)
        self._shares.left(call.tenant)
        program = self._programs.get(call.program_id)
        if program is not None:
            program.calls.discard(call.call_id)
            program.seen = now
            self._programs.move_to_end(call.program_id)

    def _spill(self, now: float) -> None:
        """Move calls that wait too long to upstreams that have nothing to do."""
        if all(lane.waiting or not lane.up for lane in self._lanes.values()):
            return
        for lane in self._lanes.values():
            for ticket in list(lane.waiting.values()):
                if self._may_move(ticket, lane) > now:
                    continue
                other = self._idle_lane(ticket, lane)
                if other is not None:
                    lane.withdraw(ticket.call.call_id, now)
                    self._enqueue(replace(ticket, queued=now), other, now)

    def _may_move(self, ticket: Ticket, lane: Lane) -> float:
        cached = lane.ledger.cached(ticket.call)
        return ticket.queued + self.limits.spill_seconds + cached / _RECOMPUTED_PER_SECOND

    def _idle_lane(self, ticket: Ticket, lane: Lane) -> Lane | None:
        for other in self._lanes.values():
            if (
                other is not lane
                and other.up
                and other.name not in ticket.excluded
                and (ticket.only is None or other.name in ticket.only)
                and other.fits(ticket.call)
            ):
                return other
        return None

    def _forget_idle(self, now: float) -> None:
        before = now - self.limits.program_idle_seconds
        while self._programs:
            program_id, program = next(iter(self._programs.items()))
            if program.calls:
                # A call of it is under way: it is not idle, whatever the time.
                program.seen = now
                self._programs.move_to_end(program_id)
                return
            if program.seen < before or len(self._programs) > self.limits.max_programs:
                self.ended(program_id, now)
                continue
            return
