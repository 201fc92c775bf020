"""Whatever happens in whatever order: nothing is lost, nothing is sent twice, nothing leaks."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from treadle.serving.policy import Call, Outcome, StockPolicy, ToolUse, TreadlePolicy
from treadle.serving.router import GateLimits, ProgramGate, RouterError, Upstream
from treadle.serving.router.prefix import PrefixMark

UPSTREAMS = (Upstream("a", 3_000, 2), Upstream("b", 5_000, 3))
LIMITS = GateLimits(max_waiting=8, program_idle_seconds=50, fair_quantum=500, max_programs=4)


class GateMachine(RuleBasedStateMachine):
    @initialize(policy=st.sampled_from([StockPolicy, TreadlePolicy]))
    def begin(self, policy: type[StockPolicy] | type[TreadlePolicy]) -> None:
        self.gate = ProgramGate(UPSTREAMS, policy, limits=LIMITS, weights={"t": 2.0})
        self.now = 0.0
        self.numbers = itertools.count()
        self.waiting: set[str] = set()
        self.running: dict[str, str] = {}

    @rule(
        program=st.sampled_from(["", "p", "q", "r", "s", "t"]),
        branch=st.sampled_from(["", "left"]),
        prompt=st.integers(1, 6_000),
        tenant=st.sampled_from(["", "t", "u"]),
        slack=st.none() | st.floats(-10, 100),
        remaining=st.none() | st.integers(0, 20),
        mark=st.none() | st.sampled_from([b"x", b"y"]),
        only=st.none() | st.sampled_from([{"a"}, {"b"}, {"a", "b"}]),
    )
    def submit(
        self,
        program: str,
        branch: str,
        prompt: int,
        tenant: str,
        slack: float | None,
        remaining: int | None,
        mark: bytes | None,
        only: set[str] | None,
    ) -> None:
        call = Call(
            f"c{next(self.numbers)}",
            program,
            branch,
            prompt,
            self.now,
            remaining_calls=remaining,
            tenant=tenant,
            deadline=None if slack is None else self.now + slack,
        )
        marks = () if mark is None else (PrefixMark(mark, prompt // 2),)
        able = [name for name in (only or {"a", "b"}) if self.gate.is_up(name)]
        try:
            self.gate.submit(call, self.now, marks=marks, only=only)
        except RouterError as error:
            assert error.code == ("router_full" if len(self.waiting) >= 8 else "no_engine")
            assert error.code == "router_full" or not able
        else:
            self.waiting.add(call.call_id)

    @rule(seconds=st.floats(0, 60))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        for call, upstream in self.gate.next(self.now):
            assert self.gate.is_up(upstream)
            assert call.call_id in self.waiting
            self.waiting.discard(call.call_id)
            self.running[call.call_id] = upstream
        for upstream in UPSTREAMS:
            count = sum(name == upstream.name for name in self.running.values())
            assert count <= upstream.max_in_flight
        # While an upstream is up and nothing runs there, nothing waits for it.
        for name in ("a", "b"):
            if self.gate.is_up(name) and name not in self.running.values():
                assert self.gate.pool(name).waiting_calls == 0

    @rule(output=st.integers(0, 500), last=st.booleans())
    def finish(self, output: int, last: bool) -> None:
        if self.running:
            call_id = sorted(self.running)[0]
            del self.running[call_id]
            tools = () if last else (ToolUse("grep"),)
            self.gate.finished(call_id, Outcome(1_000 + output, output, tools, last), self.now)

    @rule()
    def abort_waiting(self) -> None:
        if self.waiting:
            self.gate.aborted(self.waiting.pop(), self.now)

    @rule()
    def abort_running(self) -> None:
        if self.running:
            self.gate.aborted(self.running.popitem()[0], self.now)

    @rule()
    def fail(self) -> None:
        if self.running:
            call_id, _ = self.running.popitem()
            if self.gate.failed(call_id, self.now):
                self.waiting.add(call_id)

    @rule()
    def answer(self) -> None:
        for call_id in self.running:
            self.gate.answered(call_id, self.now)

    @rule(program=st.sampled_from(["p", "q", "r", "never"]))
    def end(self, program: str) -> None:
        self.gate.ended(program, self.now)

    @rule(name=st.sampled_from(["a", "b"]), up=st.booleans())
    def health(self, name: str, up: bool) -> None:
        for call in self.gate.set_up(name, up, self.now):
            self.waiting.remove(call.call_id)

    @rule(tokens=st.integers(1_000, 8_000))
    def resize(self, tokens: int) -> None:
        self.gate.resize("a", tokens)

    @invariant()
    def accounts_agree(self) -> None:
        if not hasattr(self, "gate"):
            return
        assert self.gate.waiting == len(self.waiting)
        assert self.gate.in_flight == len(self.running)
        for name in ("a", "b"):
            pool = self.gate.pool(name)
            assert pool.running_calls == sum(each == name for each in self.running.values())
            assert pool.running >= 0
            assert 0 <= pool.held <= pool.capacity

    def teardown(self) -> None:
        if not hasattr(self, "gate"):
            return
        for call_id in [*self.running, *self.waiting]:
            self.gate.aborted(call_id, self.now)
        assert self.gate.waiting == self.gate.in_flight == 0
        self.gate.next(self.now + 1_000)
        assert self.gate.programs == 0
        for name in ("a", "b"):
            assert self.gate.pool(name).running == 0


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
