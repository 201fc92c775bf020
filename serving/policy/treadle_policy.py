"""Treadle's own policy: order, admission and retention together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from treadle.core.durations import ToolDurations
from treadle.serving.policy.branches import Branch, ProgramTable
from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank
from treadle.serving.policy.order import ProgramOrder
from treadle.serving.policy.rates import MeasuredRates
from treadle.serving.policy.retention import WORTH_HOLDING, Retention

_BACK, _AWAY = 0.0, 1.0
# Of the pool. With a slower tier less, because what overflows comes back cheaply.
_RESERVE, _RESERVE_TIERED, _RESERVE_UNHELD = 0.1, 0.02, 0.35


class TreadlePolicy:
    """Serves as many programs at once as their KV allows, and each without a break.

    - order: programs whose KV is held go first, in the order of their arrival; the others
      wait in the order of `ProgramOrder`, and none overtakes the first of them by being smaller.
    - admission: a program that holds no KV gets some only when its prompt and a reserve for the
      growth of all fit beside what is held and likely to be needed soon. So programs wait at the
      boundaries of their tools, before they have cost anything, and the pool never thrashes.
    - retention: what a program has is held while it is away, and let go when another needs
      the room and the program is not likely to be back within the break-even time (`Retention`).

    Calls without a program are served by arrival, between the others, and never held.

    A stock engine behind a router holds nothing, but what it cached last stays until its room is
    needed: so it is enough not to admit more than there is room for, with a larger reserve, because
    what programs that have ended leave behind takes room as well.

    durations: how long tools take; learned from the gaps it sees, on top of what is handed in.
    holds: whether the engine can hold KV.
    reserve: the share of the pool that is kept for the growth of the programs that have some;
        by default 0.1, 0.02 where there is a slower tier and 0.35 without holds.
    longest_hold_seconds: after which a hold ends in any case.
    """

    name = "treadle"

    def __init__(
        self,
        durations: ToolDurations | None = None,
        *,
        holds: bool = True,
        reserve: float | None = None,
        longest_hold_seconds: float = 300.0,
    ) -> None:
        self._rates = MeasuredRates()
        self._order = ProgramOrder(self._rates)
        self._retention = Retention(durations or ToolDurations(), self._rates, longest_hold_seconds)
        self._holds = holds
        self._given_reserve = reserve
        self._programs = ProgramTable()
        self._waiting: dict[str, tuple[Call, float]] = {}
        # Whose KV is no longer counted on once the call that was admitted starts.
        self._yielding: tuple[str, list[Branch]] = ("", [])
        self._first: str | None = None
        self._first_known = True

    def arrived(self, call: Call, now: float) -> None:
        if not call.program_id:
            self._wait(call, call.arrived)
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
        branch.resident = branch.is_held(now) or branch.is_kept(now)
        self._wait(call, self._order.score(call, program.arrived))

    def rank(self, call: Call, now: float) -> Rank:
        score = self._waiting[call.call_id][1] if call.call_id in self._waiting else call.arrived
        if self._is_resident(call):
            return (_BACK, score)
        return (_AWAY, score)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        if self._is_resident(call):
            return True
        if call.call_id != self._first_waiting():
            return False
        if not call.program_id:
            # As without this policy: the engine starts it when it fits.
            return True
        missing, unlikely = self._missing(call, pool, now)
        if missing > sum(branch.tokens for branch in unlikely):
            return False
        self._yielding = (call.call_id, unlikely if missing > 0 else [])
        return True

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
            self._lost(hold, now)
        return chosen

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self._left(call)
        admitted, yielding = self._yielding
        if admitted == call.call_id:
            for each in yielding:
                each.kept_until = -math.inf
            self._yielding = ("", [])
        branch = self._branch(call)
        if branch is not None:
            branch.lose()
            branch.running = True
            branch.tokens = call.prompt_tokens

    def preempted(self, call: Call, now: float) -> None:
        branch = self._branch(call)
        if branch is not None:
            branch.running = False
        program = self._programs.get(call.program_id)
        self._wait(
            call, call.arrived if program is None else self._order.score(call, program.arrived)
        )

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        program, branch = self._programs.get(call.program_id), self._branch(call)
        if program is None or branch is None:
            return now
        program.calls += 1
        if outcome.last:
            del program.branches[call.branch]
            return -math.inf
        branch.running = False
        branch.tokens = outcome.context_tokens
        branch.tools = outcome.tools
        branch.paused = now
        until = self._retention.until(now)
        branch.kept_until = now if self._holds else until
        branch.held_until = until if self._holds else now
        return branch.held_until

    def aborted(self, call: Call, now: float) -> None:
        self._left(call)
        branch = self._branch(call)
        if branch is not None:
            branch.lose()
            branch.running = False

    def ended(self, program_id: str, now: float) -> None:
        program = self._programs.remove(program_id)
        if program is not None:
            self._rates.program_ended(program.calls)

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self._rates.stepped(prefill_tokens, seconds)

    def _wait(self, call: Call, score: float) -> None:
        self._waiting[call.call_id] = (call, score)
        self._first_known = False

    def _left(self, call: Call) -> None:
        if self._waiting.pop(call.call_id, None) is not None:
            self._first_known = False

    def _branch(self, call: Call) -> Branch | None:
        return self._programs.branch(call.program_id, call.branch)

    def _is_resident(self, call: Call) -> bool:
        branch = self._branch(call)
        return branch is not None and branch.resident

    def _first_waiting(self) -> str | None:
        """The first of those that hold no KV."""
        if not self._first_known:
            away = [
                (score, call.call_id)
                for call, score in self._waiting.values()
                if not self._is_resident(call)
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
        if share is None and not self._holds:
            share = _RESERVE_UNHELD
        elif share is None:
            share = _RESERVE if pool.reload_rate is None else _RESERVE_TIERED
        return share * pool.capacity

    def _missing(self, call: Call, pool: Pool, now: float) -> tuple[float, list[Branch]]:
        """How many tokens are missing for `call` and the reserve, and who may yield theirs."""
        paused = list(self._programs.paused())
        kept = sum(branch.tokens for branch in paused if branch.is_kept(now))
        missing = call.prompt_tokens + self._reserve(pool) - pool.free
        missing += kept
        if missing <= 0:
            return missing, []
        unlikely = [
            branch
            for branch in paused
            if not branch.resident
            and (branch.is_held(now) or branch.is_kept(now))
            and self._retention.chance(branch, pool, now) < WORTH_HOLDING
        ]
        return missing, unlikely

    def _lost(self, hold: Hold, now: float) -> None:
        branch = self._programs.branch(hold.program_id, hold.branch)
        if branch is None:
            return
        branch.held_until = -math.inf
        if not branch.is_kept(now):
            branch.resident = False
            self._first_known = False
