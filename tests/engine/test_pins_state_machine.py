# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Any sequence of what can happen to a scheduler: no block is lost, and nothing gets stuck."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("vllm")

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.engine.offloading import TierWorkers
from tests.engine.scheduler_harness import (
    STEP_SECONDS,
    Bench,
    HoldingPolicy,
    RequestStatus,
    bench,
    call,
    check_blocks,
    full_attention,
    model_folder,
    sliding_window,
    text,
)

from treadle.serving.policy import Call, Hold, Outcome, Pool, Rank, TreadlePolicy
from treadle.serving.vllm_plugin.policy_order import IDLE_PATIENCE
from treadle.serving.vllm_plugin.settings import EngineSettings
from treadle.serving.vllm_plugin.tier_loads import PREFIX

_MODEL = tempfile.TemporaryDirectory(prefix="treadle-state-machine-")
_FOLDER = model_folder(Path(_MODEL.name))

PROGRAMS = ("P", "Q", "R", None)
BRANCHES = ("", "left", "right")


class WhimsicalPolicy(HoldingPolicy):
    """Decides anything a policy may decide, from a stream of numbers."""

    def __init__(self, whims: list[int]) -> None:
        super().__init__()
        self._whims = whims
        self._n = 0

    def _whim(self, choices: int) -> int:
        self._n += 1
        return self._whims[self._n % len(self._whims)] % choices

    def rank(self, call: Call, now: float) -> Rank:
        return (float(len(call.call_id) * 7 % 5), call.arrived)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        assert pool.free >= 0
        return self._whim(3) > 0

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        super().finished(call, outcome, pool, now)
        assert min(pool.free, pool.running, pool.held) >= 0
        assert min(pool.running_calls, pool.waiting_calls) >= 0
        return now + (-math.inf, -1.0, 5.0, 50.0, 1e6)[self._whim(5)]

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return (now, now - 1.0, now + 0.03, math.inf)[self._whim(4)]

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return now + (-1.0, 0.0, 1.0, 100.0)[self._whim(4)]

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> list[Hold]:
        assert tokens > 0
        assert all(
            (each.program_id, each.branch) != (call.program_id, call.branch) for each in holds
        )
        held = list(holds)
        # None, one, one twice, all, and one that never was.
        stranger = Hold("nobody", "", 16, 0.0, 1.0)
        return ([], held[:1], held[:1] * 2, held, [stranger, *held[-1:]])[self._whim(5)]


class WatchedPolicy(TreadlePolicy):
    """Treadle's own, with a record of what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self.told.append(("finished", call.call_id))
        return super().finished(call, outcome, pool, now)

    def aborted(self, call: Call, now: float) -> None:
        self.told.append(("aborted", call.call_id))
        super().aborted(call, now)


class SchedulerMachine(RuleBasedStateMachine):
    """Add, schedule, finish, abort, preempt, expire, end, pressure, reset; see the module."""

    side: Bench

    @initialize(
        whims=st.lists(st.integers(0, 60), min_size=3, max_size=30),
        asynchronous=st.booleans(),
        hybrid=st.booleans(),
        queue=st.sampled_from(["fcfs", "priority"]),
        share=st.sampled_from([0.2, 0.9, 1.0]),
        own=st.booleans(),
        load_steps=st.integers(0, 5),
    )
    def start(
        self,
        whims: list[int],
        asynchronous: bool,
        hybrid: bool,
        queue: str,
        share: float,
        own: bool,
        load_steps: int,
    ) -> None:
        tiered = load_steps > 0 and not hybrid
        self.policy = WatchedPolicy() if own else WhimsicalPolicy(whims)
        self.side = bench(
            _FOLDER,
            program_policy=self.policy,
            # A hybrid model needs as many blocks in either group.
            blocks=65 if hybrid else 33,
            groups=[full_attention(), sliding_window()] if hybrid else None,
            settings=EngineSettings(max_pinned_share=share, patience_seconds=200),
            max_running=4,
            step_tokens=96,
            longest=480,
            asynchronous=asynchronous,
            policy=queue,
            connector="offloading" if tiered else "",
        )
        self.side.tier = TierWorkers(load_steps) if tiered else None
        self.added = 0

    @rule(
        program=st.sampled_from(PROGRAMS),
        branch=st.sampled_from(BRANCHES),
        prefix=st.integers(0, 200),
        suffix=st.integers(1, 200),
        output=st.integers(1, 70),
        last=st.booleans(),
        priority=st.integers(0, 2),
    )
    def add(
        self,
        program: str | None,
        branch: str,
        prefix: int,
        suffix: int,
        output: int,
        last: bool,
        priority: int,
    ) -> None:
        self.added += 1
        name = f"{self.added:04}" + "x" * (self.added % 5)
        prompt = text(len(program or "") + ord((program or "N")[0]) % 3, 200)[:prefix] + text(
            self.added, suffix
        )
        self.side.add(
            call(
                name,
                prompt,
                output=output,
                program=program,
                branch=branch or None,
                priority=priority,
                extra={"treadle_last_call": int(last and self.added % 3 == 0)},
            )
        )

    @rule(steps=st.integers(1, 12))
    def schedule(self, steps: int) -> None:
        for _ in range(steps):
            self.side.step()

    @precondition(lambda self: len(list(self.side.scheduler.desk.calls)))
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        there = sorted(each.call.call_id for each in self.side.scheduler.desk.calls)
        name = data.draw(st.sampled_from(there))
        self.side.scheduler.finish_requests(name, RequestStatus.FINISHED_ABORTED)

    @rule(seconds=st.sampled_from([0.5, 6.0, 60.0, 300.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.side.clock.now += seconds
        self.side.scheduler.has_requests()
        waiting = {each.key for each in self.side.scheduler.desk.calls if not each.running}
        for pin in self.side.scheduler.desk.holdings.pins:
            assert pin.hold.until > self.side.clock.now or pin.key in waiting

    @rule(program=st.sampled_from(["P", "Q", "R", "nobody", ""]))
    def end(self, program: str) -> None:
        free = self.side.scheduler.kv_cache_manager.block_pool.get_num_free_blocks()
        freed = self.side.scheduler.end_program(program)
        now_free = self.side.scheduler.kv_cache_manager.block_pool.get_num_free_blocks()
        assert now_free - free == freed
        assert not self.side.scheduler.desk.holdings.pins.of_program(program)

    # With its offloading connector, 0.32 refuses it while a load is under way, by an exception.
    @precondition(lambda self: self.side.tier is None)
    @rule()
    def reset(self) -> None:
        """Everything is preempted and forgotten."""
        self.side.drain()
        assert self.side.scheduler.reset_prefix_cache(reset_running_requests=True)
        assert not len(self.side.scheduler.desk.holdings.pins)

    @rule()
    def finish_all(self) -> None:
        self._until_done()

    def _until_done(self) -> None:
        # The most that is to do, one call after the other, each after the longest pause that an
        # engine makes for the sake of what is held.
        pause = int(IDLE_PATIENCE / STEP_SECONDS) + 1
        most = 60 + sum(
            each.num_prompt_tokens // 48 + each.max_tokens * 3 + 10 + pause
            for each in self.side.scheduler.requests.values()
        )
        self.side.run(most)

    @invariant()
    def blocks_are_accounted_for(self) -> None:
        if not hasattr(self, "added"):
            return
        check_blocks(self.side.scheduler)
        scheduler = self.side.scheduler
        counters = scheduler.program_counters()
        assert counters.pins == (
            counters.held
            + counters.pin_hits
            + counters.pin_misses
            + counters.expiries
            + counters.pressure_releases
            + counters.program_releases
            + counters.reset_releases
        )
        # What left while it loaded stays until the load has ended.
        there = {
            name
            for name, each in scheduler.requests.items()
            if not each.is_finished() and not name.startswith(PREFIX)
        }
        assert {each.call.call_id for each in scheduler.desk.calls} == there
        calls = list(scheduler.desk.calls)
        assert scheduler.desk.calls.running == sum(each.running for each in calls)
        assert scheduler.desk.calls.loading == sum(each.loading for each in calls)
        assert all(each.running for each in calls if each.loading)
        assert scheduler.desk.calls.hinted == sum(
            bool(each.call.program_id) for each in scheduler.desk.calls
        )
        assert scheduler.desk.calls._waiting == Counter(
            each.key for each in scheduler.desk.calls if each.call.program_id and not each.running
        )
        assert len(scheduler.waiting) == len(list(scheduler.waiting))

    def teardown(self) -> None:
        if not hasattr(self, "added"):
            return
        self._until_done()
        for program in ("P", "Q", "R"):
            self.side.scheduler.end_program(program)
        for _ in range(8):
            self.side.step()
        self.side.drain()
        check_blocks(self.side.scheduler)
        pool = self.side.scheduler.kv_cache_manager.block_pool
        assert pool.get_num_free_blocks() == pool.num_gpu_blocks - 1
        told = [name for what, name in self.policy.told if what in ("finished", "aborted")]
        assert len(told) == len(set(told)) == self.added, "every call ends once"
        assert len(self.side.scheduler.desk.programs) == 0


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
