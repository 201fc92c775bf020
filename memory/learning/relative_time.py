"""Whether a task means another time whenever it is asked."""

from __future__ import annotations

import re

_WEEKDAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DAY = rf"{_WEEKDAY}|mon|tues?|wed|thurs?|fri|sat"
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_SPAN = "second|minute|hour|day|night|week|weekend|fortnight|month|quarter|year|decade"
_PART = "morning|noon|afternoon|evening|night|midnight"

_RELATIVE = re.compile(
    r"(?<![\w])(?:"
    r"today|tonight|tomorrow|yesterday|right now|nowadays|currently"
    rf"|{_WEEKDAY}s?"
    rf"|(?:on|by|until|till|next|last|this|since|before|after|coming) (?:{_DAY})"
    rf"|(?:next|last|this|coming|past|previous|current|following) (?:few |\d+ |\w+ )?"
    rf"(?:{_SPAN}|{_MONTH}|{_PART})s?"
    rf"|(?:in|within) (?:a|an|one|two|three|four|five|six|seven|ten|a few|\d+) (?:{_SPAN})s?"
    rf"|(?:{_SPAN})s? (?:ago|from now|later)"
    rf"|(?:at|this|in the) (?:{_PART})"
    rf"|(?:in|by|until|since) (?:{_MONTH})(?! \d{{4}})"
    r")(?![\w])",
    re.IGNORECASE,
)


def says_when(task: str) -> bool:
    """Whether `task` names a time by where it lies from now: "tomorrow", "on Saturday"."""
    return _RELATIVE.search(" ".join(task.split())) is not None
