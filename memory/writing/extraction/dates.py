"""When a sentence says that something began."""

from __future__ import annotations

from treadle.core.errors import InputError
from treadle.memory.text import intervals
from treadle.memory.times import moment, seconds


def stated_start(sentence: str, spoken_at: float) -> float | None:
    """The first date in a sentence that was spoken at `spoken_at`, epoch seconds; None without."""
    spoken = moment(spoken_at)
    assert spoken is not None
    found = intervals(sentence, spoken)
    if not found:
        return None
    try:
        return seconds(found[0].start)
    except InputError:
        return None
