"""Annotations only tighten, unless the host vouches for the server."""

from hypothesis import given
from hypothesis import strategies as st

from treadle.tools import Effect
from treadle.tools.mcp.effects import Hints, policy_of

HINT = st.sampled_from([None, True, False])


@given(st.builds(Hints, HINT, HINT, HINT, HINT))
def test_no_hint_loosens_the_policy_for_a_stranger(hints: Hints) -> None:
    policy = policy_of(hints, trusted=False)
    assert policy.effect.severity >= Effect.WRITE.severity
    assert policy.open_world


@given(st.builds(Hints, HINT, HINT, HINT, HINT))
def test_trust_never_makes_it_stricter(hints: Hints) -> None:
    trusted, stranger = policy_of(hints, trusted=True), policy_of(hints, trusted=False)
    assert trusted.effect.severity <= stranger.effect.severity


def test_what_hints_do() -> None:
    assert policy_of(Hints(), trusted=False).effect is Effect.WRITE
    assert policy_of(Hints(read_only=True), trusted=False).effect is Effect.WRITE
    assert policy_of(Hints(destructive=True), trusted=False).effect is Effect.IRREVERSIBLE
    assert policy_of(Hints(read_only=True), trusted=True).effect is Effect.READ
    assert policy_of(Hints(), trusted=True).effect is Effect.WRITE
    assert not policy_of(Hints(open_world=False), trusted=True).open_world
