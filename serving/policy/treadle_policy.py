"""Treadle's own policy: order, admission and retention together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from treadle.core.durations import ToolDurations
from treadle.serving.policy.branches import Branch, ProgramTable
from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank
from treadle.serving.policy.demotions import LOOK_AGAIN
from treadle.serving.policy.order import ProgramOrder
from treadle.serving.policy.rates import MeasuredRates
from treadle.serving.policy.retention import WORTH_HOLDING, WORTH_PREFETCHING, Retention

_BACK, _AWAY = 0.0, 1.0
# Of the pool. With a slower tier less, because what overflows comes back cheaply.
_RESERVE, _RESERVE_TIERED = 0.1, 0.02


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that waits, its place among those like it, and its branch; None without a program."""

    score: float
    branch: Branch | None

    @property
    def resident(self) -> bool:
        return self.branch is not None and self.branch.resident


class TreadlePolicy:
    """Serves as many programs at once as their KV allows, and each without a break.

    - order: programs whose KV is held go first, in the order of their arrival; the others
      wait in the order of `ProgramOrder`, and none overtakes the first of them by being smaller.
    - admission: a program that holds no KV gets some only when its prompt and a reserve for the
      growth of all fit beside what is held and likely to be needed soon. So programs wait at the
      boundaries of their tools, before they have cost anything, and the pool never thrashes.
    - retention: what a program has is held while it is away, and let go when another needs
      the room and the program is not likely to be back within the break-even time (`Retention`).
    - prefetch: what went to a slower tier comes back before the program does, when that is almost
      certain to be back within the break-even time, and there is room beside the reserve.

    Calls without a program are served by arrival, when they fit, and never held.

    durations: how long tools take; learned from the gaps it sees, on top of what is handed in.
    reserve: the share of the pool that is kept for the growth of the programs that have some;
        by default 0.1, and 0.02 where there is a slower tier.
    longest_hold_seconds: after which a hold ends in any case.
    estimate_sigma: how far off the estimates in hints are: the sigma of a lognormal.
    """

    name = "treadle"

    def __init__(
        self,
        durations: ToolDurations | None = None,
        *,
        reserve: float | None = None,
        longest_hold_seconds: float = 300.0,
        estimate_sigma: float = 1.0,
    ) -> None:
        self._rates = MeasuredRates()
        self._order = ProgramOrder(self._rates, estimate_sigma)
        self._retention = Retention(
            durations or ToolDurations(),
            self._rates,
            longest=longest_hold_seconds,
            sigma=estimate_sigma,
        )
        self._given_reserve = reserve
        self._programs = ProgramTable()
        # The branches whose KV is held and that have not come back.
        self._away: set[Branch] = set()
        self._waiting: dict[str, _Waiting] = {}
        self._first: str | None = None
        self._first_known = True

    def arrived(self, call: Call, now: float) -> None:
        if not call.program_id:
            self._wait(call, call.arrived, None)
            return
        program = self._programs.seen(call.program_id, now)
        branch = program.branches.get(call.branch)
        if branch is None:
            branch = Branch()
            if len(program.branches) < ProgramTable.MOST_BRANCHES:
                program.branches[call.branch] = branch
        else:
            self._rates.turned(now - branch.called)
            self._retention.came_back(branch, now)
        branch.called = now
        branch.resident = branch.held_until > now
        self._away.discard(branch)
        self._wait(call, self._order.score(call, program.arrived), branch)

    def rank(self, call: Call, now: float) -> Rank:
        waiting = self._waiting.get(call.call_id)
        if waiting is None:
            return (_AWAY, call.arrived)
        return (_BACK if waiting.resident else _AWAY, waiting.score)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        waiting = self._waiting.get(call.call_id)
        if waiting is None or waiting.branch is None or waiting.resident:
            # Without a program it is soon gone again: the engine starts it when it fits.
            return True
        if call.call_id != self._first_waiting():
            return False
        if not pool.running_calls and pool.free >= call.prompt_tokens:
            # Whatever is kept for growth, nobody grows while nothing runs.
            return True
        needed = call.prompt_tokens + self._reserve(pool)
        return pool.free >= needed or pool.free + self._idle_tokens(pool, now) >= needed

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        chances = sorted(
            ((self._chance(hold, pool, now), hold) for hold in holds), key=lambda each: each[0]
        )
        chosen: list[Hold] = []
        found = 0
        for chance, hold in chances:
            if found >= tokens or (chance >= WORTH_HOLDING and not must):
                break
            chosen.append(hold)
            found += hold.tokens
        if found < tokens and not must:
            # It could not start all the same.
            return ()
        for hold in chosen:
            self._lose(self._programs.branch(hold.program_id, hold.branch))
        return chosen

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self._left(call)
        branch = self._branch(call)
        if branch is not None:
            if branch.tokens and not branch.resident:
                self._rates.found_again(cached_tokens / branch.tokens)
            self._lose(branch)
            branch.tokens = call.prompt_tokens

    def preempted(self, call: Call, now: float) -> None:
        branch = self._branch(call)
        program = self._programs.get(call.program_id)
        arrived = call.arrived if program is None else program.arrived
        self._wait(call, self._order.score(call, arrived), branch)

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        program, branch = self._programs.get(call.program_id), self._branch(call)
        if program is None or branch is None:
            return now
        program.calls += 1
        if outcome.last:
            del program.branches[call.branch]
            return -math.inf
        branch.tokens = outcome.context_tokens
        branch.tools = outcome.tools
        branch.paused = now
        branch.held_until = self._retention.until(now)
        self._away.add(branch)
        return branch.held_until

    def aborted(self, call: Call, now: float) -> None:
        self._left(call)
        self._lose(self._branch(call))

    def lost(self, program_id: str, branch: str, now: float) -> None:
        self._lose(self._programs.branch(program_id, branch))

    def ended(self, program_id: str, now: float) -> None:
        program = self._programs.remove(program_id)
        if program is not None:
            for branch in program.branches.values():
                self._lose(branch)
            self._rates.program_ended(program.calls)

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        known = self._programs.branch(program_id, branch)
        if known is None or not known.tokens:
            return math.inf
        # What was let go again so soon is better left where it is for as long as it was away.
        if now - known.fetched < known.fetched - known.paused:
            return 2 * known.fetched - known.paused
        room = pool.free >= known.tokens + self._reserve(pool)
        likely = room and self._retention.chance(known, pool, now) >= WORTH_PREFETCHING
        return now if likely else now + LOOK_AGAIN

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        known = self._programs.branch(program_id, branch)
        if known is None:
            return now
        known.fetched = now
        known.held_until = self._retention.until(now)
        self._away.add(known)
        return known.held_until

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self._rates.stepped(prefill_tokens, seconds)

    def _wait(self, call: Call, score: float, branch: Branch | None) -> None:
        self._waiting[call.call_id] = _Waiting(score, branch)
        self._first_known = False

    def _left(self, call: Call) -> None:
        if self._waiting.pop(call.call_id, None) is not None:
            self._first_known = False

    def _branch(self, call: Call) -> Branch | None:
        return self._programs.branch(call.program_id, call.branch)

    def _first_waiting(self) -> str | None:
        """The first call of a program that holds no KV."""
        if not self._first_known:
            away = [
                (each.score, call_id)
                for call_id, each in self._waiting.items()
                if each.branch is not None and not each.branch.resident
            ]
            self._first = min(away)[1] if away else None
            self._first_known = True
        return self._first

    def _chance(self, hold: Hold, pool: Pool, now: float) -> float:
        branch = self._programs.branch(hold.program_id, hold.branch)
        return 0.0 if branch is None else self._retention.chance(branch, pool, now)

    def _reserve(self, pool: Pool) -> float:
        """Tokens to keep for the growth of the programs that have KV."""
        share = self._given_reserve
        if share is None:
            share = _RESERVE
            if pool.reload_rate is not None:
                share -= self._rates.tier_share * (_RESERVE - _RESERVE_TIERED)
        return share * pool.capacity

    def _idle_tokens(self, pool: Pool, now: float) -> int:
        """What is held and does not pay."""
        # The holds of programs that the table has forgotten end here at the latest.
        self._away = {branch for branch in self._away if branch.held_until > now}
        return sum(
            branch.tokens
            for branch in self._away
            if self._retention.chance(branch, pool, now) < WORTH_HOLDING
        )

    def _lose(self, branch: Branch | None) -> None:
        if branch is not None:
            if branch.resident:
                self._first_known = False
            branch.lose()
            self._away.discard(branch)
