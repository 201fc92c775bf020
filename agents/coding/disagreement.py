"""Where candidates that pass everything still differ, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from treadle.agents.coding.case import Call, Case, Seen
from treadle.agents.coding.clarifying import Answer, Option, Question

MOST_QUESTIONS = 3


def disagreements(
    task: str,
    outcomes: Sequence[Mapping[bytes, Seen]],
    cases: Iterable[Case],
    calls: Iterable[Call] = (),
) -> list[Question]:
    """The inputs on which the candidates differ among each other, or from what a case expects.

    outcomes: for each candidate, what the calls gave, by their key. cases: tests that were made
    up. calls: further inputs; they have no expected outcome.

    Inputs on which candidates differ come first, those on which they split most evenly before all.
    """
    expected = {each.call.key: each for each in cases}
    asked = {**{each.key: each for each in calls}, **{k: each.call for k, each in expected.items()}}
    found: list[tuple[tuple[int, int], Question]] = []
    for key, call in asked.items():
        seen = [each[key] for each in outcomes if key in each]
        options = _options(seen, expected.get(key))
        if len(options) < 2:
            continue
        behaviours = sum(1 for each in options if each.candidates)
        largest = max(each.candidates for each in options)
        found.append(((-behaviours, largest), Question(task, call, tuple(options))))
    found.sort(key=lambda each: each[0])
    return [question for _, question in found]


def _options(seen: Sequence[Seen], case: Case | None) -> list[Option]:
    groups: dict[str, list[Seen]] = {}
    for each in seen:
        groups.setdefault(each.key, []).append(each)
    options = [
        Option(Answer.of(group[0]), str(group[0]), len(group))
        for group in sorted(groups.values(), key=len, reverse=True)
        # That there is no outcome is nothing that anybody could want.
        if group[0].ended is None
    ]
    if case is not None and seen and not any(case.holds(group[0]) for group in groups.values()):
        options.append(Option(Answer(case.expected, case.error), case.wanted, 0))
    return options
