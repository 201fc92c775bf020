"""Which calls must go first so that their program is done in time: least slack first."""

from __future__ import annotations

from typing import TypeAlias

from treadle.serving.policy.contract import Call

Urgency: TypeAlias = tuple[float, float]

_CALM: Urgency = (1.0, 0.0)


def slack(call: Call, now: float, call_seconds: float) -> float | None:
    """Seconds that `call` can wait and its program still be done in time; None without a deadline.

    call_seconds: how long a call takes; counts for this one and, where the sender named their
        number only, for those after it.
    """
    if call.deadline is None:
        return None
    if call.remaining_seconds is not None:
        after = call.remaining_seconds
    else:
        after = (call.remaining_calls or 0.0) * call_seconds
    return call.deadline - now - call_seconds - after


def urgency(call: Call, now: float, call_seconds: float, horizon: float) -> Urgency:
    """The part of the order that deadlines decide, smallest first.

    Calls whose slack is below `horizon` seconds go before all others, the least slack first, as
    in HEXGEN-TEXT2SQL's urgency-guided queue. A deadline that has passed is none any more: under
    overload it would only make others late too.
    """
    left = slack(call, now, call_seconds)
    if left is None or left >= horizon or (call.deadline or 0.0) <= now:
        return _CALM
    return (0.0, left)
