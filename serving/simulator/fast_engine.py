"""A model of vLLM's scheduler that counts tokens in place of blocks: the default engine.

What it keeps of vLLM (0.32): running calls first, then waiting ones in order, a budget of tokens
a step, chunked prefill, a call starts only when its whole prompt fits, the last that started is
preempted when a running call finds no room, freed KV stays in the prefix cache until its room is
needed. What it leaves out: blocks that are not full, prefixes that programs share, speculation.
Steps in which nothing but decoding happens are taken together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from treadle.serving.policy.contract import BranchKey, Call, Hold, Outcome, Pool, SchedulingPolicy
from treadle.serving.policy.demotions import Demotions
from treadle.serving.simulator.engine import Counts, Progress, Request
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.kv_cache import LruCache

_PATIENCE = 0.25
"""Seconds after which waiting calls are looked at again, however quiet it is."""


@dataclass(slots=True)
class _Running:
    request: Request
    computed: int  # tokens whose KV is there
    target: int  # tokens to prefill: the prompt, and after a preemption what was generated too
    generated: int

    @property
    def prefilling(self) -> bool:
        return self.computed < self.target


@dataclass(slots=True)
class _Loading:
    running: _Running
    ready: float


class FastEngine:
    """See the module's text. `policy` decides what vLLM leaves open.

    gated: whether the policy stands in front of a stock engine: what it admits waits in the
        engine in the order of its admission, and holds are not to be had.
    """

    def __init__(self, hardware: Hardware, policy: SchedulingPolicy, *, gated: bool = False):
        self._hardware = hardware
        self._policy = policy
        self._gated = gated
        self._sent: list[Request] = []
        self._waiting: list[Request] = []
        self._before: dict[str, tuple[int, int]] = {}  # of preempted calls: generated, computed
        self._running: list[_Running] = []
        self._loading: list[_Loading] = []
        self._holds: dict[str, Hold] = {}
        self._cache = LruCache()
        self._cpu = LruCache()
        self._demotions: Demotions[None] = Demotions()
        self._landings: dict[str, float] = {}  # of what is being brought back for holds
        self._link_free = 0.0
        self._used = 0
        self._held = 0
        self._seen: tuple[tuple[int, int, int, int], Pool] | None = None
        self.counts = Counts()

    def add(self, request: Request, now: float) -> None:
        self._waiting.append(request)
        self._demotions.remove(_key(request.call))
        self._policy.arrived(request.call, now)

    def end_program(self, program_id: str, now: float) -> None:
        hold = self._holds.pop(program_id, None)
        if hold is not None:
            self._held -= hold.tokens
            self._cache.put(program_id, hold.tokens, first_to_go=True)
        self._demotions.remove_program(program_id)
        self._policy.ended(program_id, now)

    def wake(self, now: float) -> float:
        times = [hold.until for hold in self._holds.values()]
        times += [each.ready for each in self._loading]
        times.append(self._demotions.next)
        if self._waiting:
            times.append(now + _PATIENCE)
        return min((each for each in times if each > now), default=math.inf)

    def step(self, now: float, horizon: float) -> Progress:
        self._expire(now)
        self._land(now)
        self._prefetch(now)
        hardware = self._hardware
        budget = hardware.step_tokens
        chunks: list[tuple[_Running, int]] = []
        preempted = self._preemptions(now)
        decoding = [each for each in self._running if not each.prefilling]
        # Before others start: what runs comes first.
        self._allocate(len(decoding))
        budget -= len(decoding)
        for each in self._running:
            if each.prefilling and budget > 0:
                size = min(each.target - each.computed, budget)
                chunks.append((each, size))
                budget -= size
        if not preempted:
            self._start(chunks, budget, now)
        if not chunks and not decoding:
            return Progress(0.0)
        return self._compute(chunks, decoding, now, horizon)

    # -- memory ---------------------------------------------------------------------------------

    def _pool(self) -> Pool:
        # What was sent is as good as started: it cannot be taken back.
        sent = sum(each.call.prompt_tokens for each in self._sent)
        key = (self._used + sent, self._held, len(self._running), len(self._waiting))
        if self._seen is None or self._seen[0] != key:
            used, held, running, waiting = key
            hardware = self._hardware
            self._seen = (
                key,
                Pool(
                    hardware.pool_tokens,
                    used,
                    held,
                    running,
                    waiting + len(self._sent),
                    hardware.reload_rate,
                ),
            )
        return self._seen[1]

    def _room(self) -> int:
        return self._hardware.pool_tokens - self._used - self._held

    def _allocate(self, tokens: int) -> None:
        """Take `tokens` that are known to be there."""
        self._reserve(tokens)
        self._used += tokens

    def _reserve(self, tokens: int) -> None:
        """See that `tokens` are empty, by way of cached KV where nothing else is left."""
        spare = self._room() - self._cache.total
        if tokens > spare:
            self._cache.evict(tokens - spare)

    def _make_room(self, request: Request, tokens: int, now: float, *, must: bool) -> bool:
        """Let go of holds until `tokens` are free; whether they are."""
        if tokens <= self._room():
            return True
        program = request.call.program_id
        others = [hold for hold in self._holds.values() if hold.program_id != program]
        missing = tokens - self._room()
        if others:
            pool = self._pool()
            for hold in self._policy.release(request.call, missing, others, pool, now, must=must):
                self._let_go(hold, now)
        if must and tokens > self._room():
            # The youngest first.
            for hold in sorted(self._holds.values(), key=lambda hold: -hold.since):
                if tokens <= self._room():
                    break
                if hold.program_id != program:
                    self._let_go(hold, now)
                    self._policy.lost(hold.program_id, hold.branch, now)
        return tokens <= self._room()

    def _let_go(self, hold: Hold, now: float) -> None:
        if self._holds.pop(hold.program_id, None) is not None:
            self._held -= hold.tokens
            self._cache.put(hold.program_id, hold.tokens)
            self._demoted((hold.program_id, hold.branch), now)

    def _demoted(self, key: BranchKey, now: float) -> None:
        """What is not held any more may come back from the CPU tier before it is asked for."""
        if self._hardware.cpu_tokens and not self._gated:
            self._demotions.add(key, None, now)

    def _expire(self, now: float) -> None:
        for hold in [each for each in self._holds.values() if each.until <= now]:
            self._let_go(hold, now)
            self._policy.lost(hold.program_id, hold.branch, now)

    def _prefetch(self, now: float) -> None:
        """Bring back what the policy wants back, as far as there is room."""
        for (program_id, branch), _ in self._demotions.due(now):
            at = self._policy.prefetch(program_id, branch, self._pool(), now)
            if at > now:
                self._demotions.add((program_id, branch), None, at)
                continue
            there = self._cache.peek(program_id)
            tokens = max(there, self._cpu.peek(program_id))
            if tokens > self._room():
                continue
            until = self._policy.prefetched(program_id, branch, self._pool(), now)
            if not tokens or until <= now:
                self._policy.lost(program_id, branch, now)
                continue
            self._cache.take(program_id)
            self._reserve(tokens)
            self._holds[program_id] = Hold(program_id, branch, tokens, now, until)
            self._held += tokens
            self._landings[program_id] = self._reload(tokens - there, now)
            self.counts.prefetched += tokens - there

    def _reload(self, tokens: int, now: float) -> float:
        """`tokens` come over the link, after what is on it already; when they are there."""
        self.counts.reloaded += tokens
        if self._hardware.reload_rate is None or not tokens:
            return now
        self._link_free = max(now, self._link_free) + tokens / self._hardware.reload_rate
        return self._link_free

    # -- starting -------------------------------------------------------------------------------

    def _start(self, chunks: list[tuple[_Running, int]], budget: int, now: float) -> None:
        """Start waiting calls, in order, as long as there is room."""
        for request in self._in_order(now):
            if budget <= 0 or len(self._running) >= self._hardware.max_running:
                return
            idle = not self._running and not self._loading
            started = self._try(request, now, must=idle)
            if started is None:
                return
            if started.computed < started.target:
                size = min(started.target - started.computed, budget)
                if any(each.running is started for each in self._loading):
                    continue
                chunks.append((started, size))
                budget -= size

    def _in_order(self, now: float) -> Iterator[Request]:
        """The calls to start next; each is asked for when it is its turn, for what has started
        before it counts."""
        policy = self._policy
        ranked = sorted(self._waiting, key=lambda each: policy.rank(each.call, now))
        refused = []
        for request in ranked:
            if not policy.admits(request.call, self._pool(), now):
                refused.append(request)
            elif self._gated:
                self._send(request, now)
            else:
                yield request
        if refused and not (self._running or self._loading or self._sent or self._holds):
            if self._gated:
                self._send(refused[0], now)
            else:
                yield refused[0]
        # A copy: what starts is taken out.
        yield from list(self._sent)

    def _send(self, request: Request, now: float) -> None:
        """Past the gate, to the engine behind it."""
        self._sent.append(request)
        self._waiting.remove(request)
        self._policy.started(request.call, self._cache.peek(request.call.program_id), now)

    def _try(self, request: Request, now: float, *, must: bool) -> _Running | None:
        """Start `request`; None when there is no room for it."""
        program = request.call.program_id
        hold = self._holds.get(program)
        generated, computed = self._before.get(request.call.call_id, (0, 0))
        target = request.call.prompt_tokens + generated
        block = self._hardware.block_tokens
        most = (target - 1) // block * block
        known = min(most, max(request.reusable_tokens, computed))
        there = hold.tokens if hold is not None else self._cache.peek(program)
        hit = min(known, there) // block * block
        # What is cached and not held lies in the room that is free.
        needed = target - (hold.tokens if hold is not None else 0)
        if not self._make_room(request, needed, now, must=must):
            return None
        if hold is not None:
            del self._holds[program]
            self._held -= hold.tokens
        else:
            self._cache.take(program)
        reload = 0
        if self._hardware.cpu_tokens:
            reload = max(0, min(known, self._cpu.peek(program)) // block * block - hit)
            self._cpu.touch(program)
        self._allocate(target)
        running = _Running(request, hit + reload, target, generated)
        (self._sent if self._gated else self._waiting).remove(request)
        counts = self.counts
        counts.recomputed += max(0, known - hit - reload)
        if request.call.call_id not in self._before:
            counts.prompt += request.call.prompt_tokens
            counts.hit += hit + reload
        if not self._gated:
            self._policy.started(request.call, hit + reload, now)
        ready = max(self._reload(reload, now), self._landings.pop(program, now))
        if ready > now:
            self._loading.append(_Loading(running, ready))
        else:
            self._running.append(running)
        return running

    def _land(self, now: float) -> None:
        """What has been loaded by now can run."""
        for each in [each for each in self._loading if each.ready <= now]:
            self._loading.remove(each)
            self._running.append(each.running)

    # -- running --------------------------------------------------------------------------------

    def _preemptions(self, now: float) -> bool:
        """Make room for one more token of each decoding call; whether a call had to yield."""
        decoding = [each for each in self._running if not each.prefilling]
        preempted = False
        while decoding and len(decoding) > self._room():
            if self._make_room(decoding[0].request, len(decoding), now, must=True):
                break
            victim = self._running.pop()
            preempted = True
            self._preempt(victim, now)
            decoding = [each for each in decoding if each is not victim]
        return preempted

    def _preempt(self, victim: _Running, now: float) -> None:
        call = victim.request.call
        self._used -= self._allocated(victim)
        self._cache.put(call.program_id, victim.computed)
        self._before[call.call_id] = (victim.generated, victim.computed)
        self.counts.preemptions += 1
        if self._gated:
            self._sent.insert(0, victim.request)
        else:
            self._waiting.insert(0, victim.request)
            self._policy.preempted(call, now)

    @staticmethod
    def _allocated(running: _Running) -> int:
        return max(running.target, running.computed)

    def _compute(
        self,
        chunks: list[tuple[_Running, int]],
        decoding: list[_Running],
        now: float,
        horizon: float,
    ) -> Progress:
        hardware = self._hardware
        context = sum(each.computed for each in decoding)
        prefilled = sum(size for _, size in chunks)
        steps = 1
        if not chunks:
            steps = self._alike(decoding, context, now, horizon)
        attended = sum(size * (each.computed + size / 2) for each, size in chunks)
        read = context + len(decoding) * (steps - 1) / 2 + sum(each.computed for each, _ in chunks)
        tokens = len(decoding) + prefilled
        seconds = hardware.step_seconds(tokens, attended, read, steps)
        self._policy.stepped(prefilled, len(decoding) * steps, int(read), seconds)
        self.counts.steps += steps
        self.counts.prefilled += prefilled
        self._allocate(len(decoding) * (steps - 1))
        for each in decoding:
            each.computed += steps
            each.generated += steps
        for each, size in chunks:
            each.computed += size
            if not each.prefilling:
                each.generated += 1
        end = now + seconds
        finished = [
            each
            for each in (*decoding, *(chunk for chunk, _ in chunks))
            if not each.prefilling and each.generated >= each.request.output_tokens
        ]
        for each in finished:
            self._finish(each, end)
        return Progress(seconds, [each.request for each in finished])

    def _alike(self, decoding: list[_Running], context: int, now: float, horizon: float) -> int:
        """How many steps can be taken as one: until a call ends, memory is short, or one comes."""
        steps = min(each.request.output_tokens - each.generated for each in decoding)
        steps = min(steps, 1 + self._room() // len(decoding))
        until = min(horizon, self.wake(now))
        if steps > 1 and until < math.inf:
            seconds = self._hardware.step_seconds(len(decoding), 0, context)
            steps = min(steps, math.ceil((until - now) / seconds))
        return max(1, steps)

    def _finish(self, each: _Running, now: float) -> None:
        request = each.request
        call = request.call
        self._running.remove(each)
        self._used -= self._allocated(each)
        self._before.pop(call.call_id, None)
        self.counts.output += each.generated
        outcome = Outcome(
            call.prompt_tokens + request.output_tokens,
            request.output_tokens,
            request.tools,
            request.last,
        )
        tokens = min(each.computed, call.prompt_tokens + request.output_tokens - 1)
        if self._hardware.cpu_tokens:
            self._store(call.program_id, tokens)
        until = self._policy.finished(call, outcome, self._pool(), now)
        if until > now and not self._gated:
            self._holds[call.program_id] = Hold(call.program_id, call.branch, tokens, now, until)
            self._held += tokens
        else:
            self._cache.put(call.program_id, tokens, first_to_go=until == -math.inf)
            if until > -math.inf:
                self._demoted(_key(call), now)

    def _store(self, program: str, tokens: int) -> None:
        """Everything computed is written to the CPU tier as well, as vLLM's connector does."""
        self._cpu.put(program, tokens)
        if self._cpu.total > self._hardware.cpu_tokens:
            self._cpu.evict(self._cpu.total - self._hardware.cpu_tokens)


def _key(call: Call) -> BranchKey:
    return call.program_id, call.branch
