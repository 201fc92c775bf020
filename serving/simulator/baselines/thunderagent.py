"""ThunderAgent: programs are paused when their KV no longer fits together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from treadle.serving.policy.contract import Call, Outcome, Pool, Rank
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.simulator.hardware import Hardware

_BUFFER = 100
"""Tokens set aside for every active program, for what it decodes."""

_PATIENCE = 1_800.0
"""Seconds after which a paused program goes on, whatever there is room for."""


@dataclass(slots=True)
class _Program:
    """calls: how many have arrived. acting_since: when its tool began; None while a call of it
    runs or waits. paused_since: None while it is active."""

    tokens: int
    first: float
    calls: int = 1
    acting_since: float | None = None
    paused_since: float | None = None
    marked: bool = False


class ThunderAgentPolicy(StockPolicy):
    """A router in front of a stock engine: it decides which programs may have calls there.

    After ThunderAgent (arXiv 2602.13692, section 4, and the scheduler of its code): every five
    seconds, paused programs are resumed as far as there is room, those with a call that waits
    first, then new ones, then those whose tool still runs, the smallest first within each; then,
    if the contexts of the active programs exceed the pool, programs are paused until they do
    not: those whose tool runs, the smallest first, then those that compute, which are paused when
    their call has ended.

    decay: whether, when room is sought for resuming, a context whose tool has run for t seconds
        counts 2^-t of its size: the paper's f(t), an option in the code. Off there by default,
        and off here: without it this policy does better.

    Where ours may differ from the authors' code: contexts are known in tokens (theirs are
    estimated from characters until the engine answers), programs share no prefixes, and there is
    one engine, so that its bin packing has one bin.
    """

    name = "thunderagent"

    def __init__(self, hardware: Hardware, *, interval: float = 5.0, decay: bool = False) -> None:
        self._capacity = hardware.pool_tokens
        self._interval = interval
        self._decay = decay
        self._programs: dict[str, _Program] = {}
        self._next_check = interval

    def arrived(self, call: Call, now: float) -> None:
        self._catch_up(now)
        program = self._programs.get(call.program_id)
        if program is None:
            waiting = any(each.paused_since is not None for each in self._programs.values())
            fits = call.prompt_tokens + _BUFFER <= self._room(now)
            program = _Program(call.prompt_tokens, now)
            program.paused_since = now if waiting or not fits else None
            self._programs[call.program_id] = program
            return
        program.calls += 1
        program.tokens = call.prompt_tokens
        program.acting_since = None

    def rank(self, call: Call, now: float) -> Rank:
        return (call.arrived,)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        # What a clock would have done by now; asking again changes nothing.
        self._catch_up(now)
        program = self._programs.get(call.program_id)
        return program is None or program.paused_since is None

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        # The engine takes a call that was refused when nothing else is to be done.
        program = self._programs.get(call.program_id)
        if program is not None:
            program.paused_since = None

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self._catch_up(now)
        program = self._programs.get(call.program_id)
        if program is not None:
            program.tokens = outcome.context_tokens
            program.acting_since = now
            if program.marked:
                program.marked = False
                program.paused_since = now
        return now

    def ended(self, program_id: str, now: float) -> None:
        self._programs.pop(program_id, None)

    def _catch_up(self, now: float) -> None:
        if now < self._next_check:
            return
        self._resume(now)
        self._pause(now)
        missed = math.floor((now - self._next_check) / self._interval)
        self._next_check += (missed + 1) * self._interval

    def _room(self, now: float, *, decay: bool = False) -> float:
        """What the active programs leave of the pool."""
        used = 0.0
        for each in self._programs.values():
            if each.paused_since is not None or each.marked:
                continue
            share = 1.0
            if decay and each.acting_since is not None:
                share = 2.0 ** -min(now - each.acting_since, 1_000.0)
            used += each.tokens * share + _BUFFER
        return self._capacity - used

    def _resume(self, now: float) -> None:
        room = self._room(now, decay=self._decay)
        paused = [each for each in self._programs.values() if each.paused_since is not None]
        paused.sort(key=lambda each: (_urgency(each), each.tokens))
        for each in paused:
            needed = each.tokens + _BUFFER
            patient = each.paused_since is None or now - each.paused_since < _PATIENCE
            if needed <= room or not patient:
                each.paused_since = None
                room -= needed

    def _pause(self, now: float) -> None:
        room = self._room(now)
        active = [
            each
            for each in self._programs.values()
            if each.paused_since is None and not each.marked
        ]
        active.sort(key=lambda each: (each.acting_since is None, each.tokens))
        for each in active:
            if room >= 0:
                return
            room += each.tokens + _BUFFER
            if each.acting_since is None:
                each.marked = True
            else:
                each.paused_since = now


def _urgency(program: _Program) -> int:
    if program.calls == 1:
        return 1
    return 0 if program.acting_since is None else 2
