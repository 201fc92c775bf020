"""When facts held: where a new one fits among those that are there. Pure functions.

Times are epoch seconds; an interval has its start and not its end; infinities stand for "open".
Those of one subject and one predicate never overlap.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """An interval that is there. id: whose it is. key: equal where the same was held."""

    id: int
    key: Hashable
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Placement:
    """What a new fact changes.

    start, end: its interval; both None where it says nothing new.
    duplicate_of: the interval that says so already.
    merged: intervals with the same key that become part of it.
    cut: intervals with another key that give way.
    remains: what is left of those, by their id.
    """

    start: float | None
    end: float | None
    duplicate_of: int | None = None
    merged: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    remains: tuple[tuple[int, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Stated:
    """That something was said to hold from `start` on, within an interval that says so as well."""

    key: Hashable
    start: float


def standing(there: Sequence[Held], stated: Sequence[Stated]) -> list[Stated]:
    """Those statements that have not been overruled: what they say holds when they say it."""
    return [
        each
        for each in stated
        if any(held.key == each.key and held.start < each.start < held.end for held in there)
    ]


def place(
    there: Sequence[Held],
    key: Hashable,
    start: float,
    end: float,
    stated: Sequence[Stated] = (),
) -> Placement:
    """Where a fact goes that held from `start` to `end`.

    With both ends stated it takes its place, whatever was there. With an open end it holds until
    the next thing known to begin, so that an older fact that is told later closes no newer one;
    an end that is known already stands. With an open start ("used to") it fills the last gap.

    stated: statements within the intervals: where something else comes in between, what they say
        holds again from them on.
    """
    if start == -math.inf:
        filled = _last_gap(there, key, end)
        if isinstance(filled, Placement):
            return filled
        start, end = filled
    elif end == math.inf:
        for each in there:
            if each.key == key and each.start <= start < each.end:
                return Placement(None, None, duplicate_of=each.id)
        later = [each.start for each in there if each.start > start]
        later += [each.start for each in standing(there, stated) if each.start > start]
        end = min(later, default=math.inf)
    same = [each for each in there if each.key == key and each.start <= end and start <= each.end]
    for each in same:
        if each.start <= start and end <= each.end:
            return Placement(None, None, duplicate_of=each.id)
    cut = [each for each in there if each.key != key and each.start < end and start < each.end]
    remains = [(each.id, each.start, start) for each in cut if each.start < start]
    remains += [(each.id, end, each.end) for each in cut if end < each.end]
    return Placement(
        start=min([start, *(each.start for each in same)]),
        end=max([end, *(each.end for each in same)]),
        merged=tuple(each.id for each in same),
        cut=tuple(each.id for each in cut),
        remains=tuple(remains),
    )


def _last_gap(there: Sequence[Held], key: Hashable, end: float) -> tuple[float, float] | Placement:
    """The last time before `end` of which nothing is known."""
    for each in sorted(there, key=lambda held: held.start, reverse=True):
        if each.start < end <= each.end:
            if each.key == key:
                return Placement(None, None, duplicate_of=each.id)
            end = each.start
    if end == -math.inf:
        return Placement(None, None)
    return max((each.end for each in there if each.end <= end), default=-math.inf), end
