"""The small parts that the gate is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.serving.policy import Call
from treadle.serving.router.fair_shares import FairShares
from treadle.serving.router.kv_ledger import KvLedger
from treadle.serving.router.prefix import PrefixIndex, prefix_marks
from treadle.serving.router.token_estimate import TokenEstimate


def call(name: str, program: str = "", prompt: int = 100, branch: str = "") -> Call:
    return Call(name, program, branch, prompt, 0.0)


def test_the_least_recently_used_kv_goes_first_and_from_its_end() -> None:
    ledger = KvLedger(1_000)
    for name in ("p", "q"):
        ledger.start(call(name, name, 400), 400)
        ledger.finish(call(name, name, 400), 400, 1.0, 100.0)
    ledger.start(call("r", "r", 500), 500)
    assert ledger.cached(call("p2", "p", 900)) == 100
    assert ledger.cached(call("q2", "q", 900)) == 400
    assert [(hold.program_id, hold.tokens) for hold in ledger.holds()] == [("p", 100), ("q", 400)]
    ledger.start(call("s", "s", 200), 200)
    assert ledger.cached(call("p2", "p", 900)) == 0


def test_a_branch_begins_with_what_the_trunk_has() -> None:
    ledger = KvLedger(1_000)
    ledger.start(call("1", "p", 300), 300)
    ledger.finish(call("1", "p", 300), 350, 1.0, 100.0)
    assert ledger.cached(call("2", "p", 900, "left")) == 350
    assert ledger.cached(call("3", "other", 900)) == 0


@given(
    st.lists(st.tuples(st.sampled_from("pqrs"), st.integers(1, 600), st.floats(0, 20)), max_size=40)
)
def test_the_ledger_never_holds_more_than_there_is(
    calls: list[tuple[str, int, float]],
) -> None:
    ledger = KvLedger(1_000)
    for number, (program, tokens, until) in enumerate(calls):
        each = call(str(number), program, tokens)
        ledger.start(each, tokens)
        assert ledger.pool(0).running == tokens
        ledger.finish(each, tokens, float(number), until)
        ledger.expire(float(number))
        pool = ledger.pool(0)
        assert pool.running == 0
        assert 0 <= pool.held <= ledger.cached_tokens <= 1_000
        assert all(hold.until > number for hold in ledger.holds())


def test_who_comes_back_starts_where_the_others_are() -> None:
    shares = FairShares(quantum=100)
    shares.joined("a")
    shares.joined("b")
    shares.charge("a", 1_000)
    assert (shares.lag("a"), shares.lag("b")) == (10, 0)
    shares.left("b")
    shares.charge("a", 1_000)
    shares.joined("b")
    assert (shares.lag("a"), shares.lag("b")) == (0, 0)


def test_leaving_and_coming_back_wins_nothing() -> None:
    shares = FairShares(quantum=100)
    shares.joined("a")
    shares.joined("b")
    shares.charge("a", 1_000)
    shares.left("a")
    shares.joined("a")
    assert shares.lag("a") == 10


def test_alone_nobody_lags() -> None:
    shares = FairShares(quantum=1)
    shares.joined("a")
    shares.charge("a", 1e9)
    assert shares.lag("a") == 0


def test_many_tenants_that_came_and_went_are_not_remembered() -> None:
    shares = FairShares(quantum=1)
    shares.joined("stays")
    for number in range(5_000):
        shares.joined(str(number))
        shares.left(str(number))
    assert len(shares._times) <= 1_001


@given(st.text(max_size=5_000), st.text(max_size=5_000), st.text(max_size=5_000))
def test_marks_agree_exactly_as_far_as_texts_do(shared: str, one: str, other: str) -> None:
    first, second = prefix_marks(shared + one, 0.25), prefix_marks(shared + other, 0.25)
    for left, right in zip(first, second, strict=False):
        characters = left.tokens * 4
        alike = (shared + one)[:characters] == (shared + other)[:characters]
        assert (left.digest == right.digest) == alike


def test_an_index_finds_the_longest_beginning_and_is_bounded() -> None:
    index = PrefixIndex(size=8)
    index.add(prefix_marks("a" * 4_096, 0.25))
    assert index.known(prefix_marks("a" * 2_500 + "b" * 5_000, 0.25)) == 512
    assert index.known(prefix_marks("c" * 4_096, 0.25)) == 0
    for number in range(20):
        index.add(prefix_marks(f"{number:04}" * 600, 0.25))
    assert index.known(prefix_marks("a" * 4_096, 0.25)) == 0


def test_estimates_follow_what_engines_count() -> None:
    estimate = TokenEstimate()
    text = "word " * 1_000
    assert estimate.tokens(text, "m") == 1_250
    for _ in range(50):
        estimate.learn(text, "m", 1_000)
    assert estimate.tokens(text, "m") == pytest.approx(1_000, rel=0.01)
    assert estimate.tokens(text, "other") == 1_250
