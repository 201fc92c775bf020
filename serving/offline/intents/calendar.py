"""Dates and times: "days between 2024-01-01 and 2024-03-01", "what time is it in Tokyo"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.dates import Day, days, zone
from treadle.serving.offline.draft import Draft, reference, shown

_UNITS = {"day": "days", "week": "weeks", "month": "months", "year": "years", "hour": "hours",
          "fortnight": "weeks", "decade": "years"}  # fmt: skip
_FACTORS = {"fortnight": 2, "decade": 10}
_BACK = frozenset({"before", "ago", "earlier", "prior", "minus", "subtract", "preceding"})
_FORTH = frozenset({"after", "from", "in", "later", "plus", "add", "following", "past", "hence",
                    "ahead"})  # fmt: skip
_BETWEEN = frozenset({"between", "until", "till", "since", "to", "and", "from", "through",
                      "difference", "passed", "elapsed", "left", "remain", "away", "old",
                      "ago", "before"})  # fmt: skip
_NOW = ("what time", "what day", "what date", "current time", "current date", "time is it",
        "date today", "date is it", "today date", "day is it", "the time", "the date", "today is",
        "is today", "which day", "date and time", "the current", "day today",
        "time now")  # fmt: skip


def date_and_time(clause: Clause) -> Draft | None:
    """Tell the time, count the days between dates, or move a date."""
    targets = clause.targets
    place = zone(clause.tokens)
    if (targets.files and place is None) or targets.sets or targets.urls:
        return None
    found = days(clause.tokens)
    moved = _moved(clause, found)
    if moved is not None:
        return moved
    signs = {token.text for token in clause.tokens}
    if len(found) == 2 and ("-" in signs or clause.has({"minus"})):
        return _between(clause, found[1], found[0])
    if len(found) >= 2 and clause.has(_BETWEEN):
        return _between(clause, found[0], found[1])
    if len(found) == 1 and found[0].text and clause.has({*_UNITS, "long", "far"}):
        today = Day("", 0, 0, 0)
        pair = (found[0], today) if clause.has({"since", "ago", "passed"}) else (today, found[0])
        return _between(clause, *pair)
    return _now(clause, found, place)


def _day(draft: Draft, day: Day) -> str:
    if day.text:
        return day.text
    now = draft.step("now", "current_time", {})
    if not day.offset:
        return reference(now)
    args: dict[str, JsonValue] = {"date": reference(now), "days": day.offset}
    return reference(draft.step("day", "add_to_date", args))


def _spoken(day: Day) -> str:
    return day.text or {0: "today", 1: "tomorrow", -1: "yesterday"}[day.offset]


def _between(clause: Clause, start: Day, end: Day) -> Draft:
    draft = Draft()
    args: dict[str, JsonValue] = {"start": _day(draft, start), "end": _day(draft, end)}
    step = draft.step("between", "date_difference", args)
    head = f"From {_spoken(start)} to {_spoken(end)}: "
    per = {"week": ("days", 7), "fortnight": ("days", 14), "hour": ("seconds", 3600),
           "minute": ("seconds", 60), "month": ("days", 30.436875),
           "year": ("days", 365.2425)}  # fmt: skip
    unit = next((each for each in per if clause.has({each})), None)
    if unit is None:
        draft.say(f"{head}{reference(step, '.days')} days.")
        return draft
    field, length = per[unit]
    expression = f"round({reference(step, f'.{field}')} / {length}, 2)"
    scaled = draft.step("scaled", "calculate", {"expression": expression})
    draft.say(f"{head}{reference(scaled)} {unit}s ({reference(step, '.days')} days).")
    return draft


def _moved(clause: Clause, found: list[Day]) -> Draft | None:
    amounts: dict[str, int] = {}
    first = -1
    for at, token in enumerate(clause.tokens):
        if token.stem not in _UNITS:
            continue
        number = clause.number_at(at - 1)
        if number is None and at and clause.tokens[at - 1].word in {"a", "an"}:
            number = 1
        if number is not None and number < 10**6:
            unit = _UNITS[token.stem]
            amounts[unit] = amounts.get(unit, 0) + number * _FACTORS.get(token.stem, 1)
            first = at if first < 0 else first
    back, forth = clause.has(_BACK), clause.has(_FORTH)
    if not amounts or len(found) > 1 or not (back or forth):
        return None
    if not found and not clause.says("ago", "from now", "in", "later", "from today", "hence"):
        return None
    draft = Draft()
    start = found[0] if found else Day("", 0, 0, 0)
    sign = -1 if back else 1
    args: dict[str, JsonValue] = {"date": _day(draft, start)}
    args |= {unit: sign * amount for unit, amount in amounts.items()}
    step = draft.step("moved", "add_to_date", args)
    spoken = " and ".join(
        f"{amount} {unit if amount != 1 else unit[:-1]}" for unit, amount in amounts.items()
    )
    side = "before" if back else "after"
    draft.say(f"{spoken} {side} {_spoken(start)}: {reference(step)}")
    return draft


def _now(clause: Clause, found: list[Day], place: str | None) -> Draft | None:
    asked = clause.says(*_NOW) or (bool(found) and not found[0].text and len(clause.words) < 6)
    about_dates = clause.has(
        {"time", "date", "day", "clock", "today", "now", "tomorrow", "yesterday", "o'clock"}
    )
    if not (asked or (place and clause.has({"time"}))) or not about_dates or clause.has({"file"}):
        return None
    if found and found[0].text:
        return None
    draft = Draft()
    if found and found[0].offset:
        draft.say(f"The date {_spoken(found[0])}: {_day(draft, found[0])}")
        return draft
    args: dict[str, JsonValue] = {"timezone": place} if place else {}
    now = draft.step("now", "current_time", args)
    where = shown(place) if place else "UTC"
    draft.say(f"It is {reference(now)} ({where}).")
    return draft
