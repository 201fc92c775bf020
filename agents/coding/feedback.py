"""What the model is told of a judgement: enough to repair, and no answers that it is not to see."""

from __future__ import annotations

from collections.abc import Iterable

from treadle.agents.coding.case import Call
from treadle.agents.coding.judge import CaseOutcome, Judgement, TestOutcome
from treadle.agents.coding.observation import shortened

MOST_FAILURES = 5


def feedback(judgement: Judgement, *, show_tests: bool) -> str:
    """What failed, with calls and what came of them.

    What should have come out is said of examples and of what a person said; of given tests only
    with `show_tests`: code that is fitted to the answers of its tests proves nothing.
    """
    cases = judgement.failures
    tests = judgement.failed_tests
    parts = [f"It does not work. {judgement.broken}".strip()]
    parts += [_case(each) for each in cases[:MOST_FAILURES]]
    parts += [_test(each, show_tests=show_tests) for each in tests[:MOST_FAILURES]]
    more = max(0, len(cases) - MOST_FAILURES) + max(0, len(tests) - MOST_FAILURES)
    if more:
        parts.append(f"({more} more failed)")
    return "\n\n".join(parts)


def failing_call(judgement: Judgement) -> tuple[Call, str] | None:
    """The first call that went wrong and can be made again, and how it went wrong."""
    for outcome in judgement.failures:
        return outcome.case.call, f"{outcome.case.call} {outcome.seen}"
    for test in judgement.failed_tests:
        for seen in reversed(test.calls):
            if (call := seen.call) is not None:
                return call, f"{call} gives {shortened(seen.result, 500)}, and a test fails"
    return None


def summary(judgement: Judgement) -> tuple[str, ...]:
    """One line for each failure."""
    cases = (f"{each.case.call} {each.seen}" for each in judgement.failures)
    tests = (f"{each.name}: {each.why}" for each in judgement.failed_tests)
    broken: Iterable[str] = (judgement.broken,) if judgement.broken else ()
    return tuple(shortened(each, 500) for each in (*broken, *cases, *tests))


def _case(outcome: CaseOutcome) -> str:
    where = "" if outcome.seen.line is None else f" (line {outcome.seen.line})"
    wanted = shortened(outcome.case.wanted, 1000)
    if outcome.case.source == "generated":
        wanted += " (by a test that was made up; where it is wrong, say so and change nothing)"
    seen = shortened(str(outcome.seen), 1000)
    return f"- {outcome.case.call}\n  {seen}{where}\n  it should be: {wanted}"


def _test(outcome: TestOutcome, *, show_tests: bool) -> str:
    lines = [f"- {outcome.name} fails"]
    if outcome.kind in ("raised", "ended", "test_error") or show_tests:
        lines[0] += f": {shortened(outcome.why, 1000)}"
    for each in outcome.calls:
        where = "" if each.at is None else f" (line {each.at})"
        arguments = shortened(each.arguments, 600)
        lines.append(f"  {each.function}({arguments}) gave {shortened(each.result, 600)}{where}")
    if outcome.printed:
        lines.append(f"  it printed: {shortened(outcome.printed, 800)}")
    return "\n".join(lines)
