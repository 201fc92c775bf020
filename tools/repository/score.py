"""Diagnostics before and after a change as a score for one step.

After the process rewards of Lanser-CLI (arXiv 2510.22907) and the static-analysis feedback of RRR
(arXiv 2405.01573): what a language server says of the code, before and after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from treadle.tools.repository.language_server.records import Diagnostic, Severity

WEIGHTS: Mapping[Severity, float] = {
    Severity.ERROR: 1.0,
    Severity.WARNING: 0.3,
    Severity.INFORMATION: 0.1,
    Severity.HINT: 0.0,
}
"""What a diagnostic counts by its severity."""


@dataclass(frozen=True, slots=True)
class StepScore:
    """What a change resolved and what it brought; value: weight of the first minus the second.

    checked: the files that were looked at. exact: False where files that come or go could only be
    guessed at, since no server sees them before they are there.
    """

    value: float
    resolved: tuple[Diagnostic, ...]
    new: tuple[Diagnostic, ...]
    remaining: int
    checked: tuple[str, ...]
    exact: bool = True


def score(
    before: Iterable[Diagnostic],
    after: Iterable[Diagnostic],
    checked: Iterable[str],
    *,
    exact: bool = True,
    weights: Mapping[Severity, float] = WEIGHTS,
) -> StepScore:
    """Compare by file, severity, rule and message: a fault that only moved is no news."""
    old, new = list(before), list(after)
    resolved = _without(old, new)
    brought = _without(new, old)
    value = sum(weights[each.severity] for each in resolved)
    value -= sum(weights[each.severity] for each in brought)
    remaining = len(new) - len(brought)
    # Rounded: sums of 0.3 and 0.1 must not turn out a hair below nothing.
    return StepScore(
        round(value, 6), tuple(resolved), tuple(brought), remaining, tuple(checked), exact
    )


def _without(these: list[Diagnostic], those: list[Diagnostic]) -> list[Diagnostic]:
    left = Counter(_identity(each) for each in those)
    found: list[Diagnostic] = []
    for each in these:
        identity = _identity(each)
        if left[identity]:
            left[identity] -= 1
        else:
            found.append(each)
    return found


def _identity(each: Diagnostic) -> tuple[str, Severity, str, str]:
    return each.location.path, each.severity, each.rule, each.message
