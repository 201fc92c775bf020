"""What goes minus what comes, by weight."""

from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.repository.language_server.records import Diagnostic, Location, Severity
from treadle.tools.repository.score import WEIGHTS, score
from treadle.tools.repository.source_text import Position


def fault(line: int, message: str, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(
        Location("a.py", Position(line, 1), Position(line, 2)), severity, message, "r"
    )


_FAULTS = st.lists(
    st.builds(fault, st.integers(1, 5), st.sampled_from("abc"), st.sampled_from(list(Severity))),
    max_size=8,
)


@given(_FAULTS, _FAULTS)
def test_back_is_the_opposite_of_forth(before: list[Diagnostic], after: list[Diagnostic]) -> None:
    forth, back = score(before, after, ["a.py"]), score(after, before, ["a.py"])
    assert forth.value == -back.value
    assert forth.value == round(
        sum(WEIGHTS[e.severity] for e in before) - sum(WEIGHTS[e.severity] for e in after), 6
    )
    assert forth.remaining + len(forth.resolved) == len(before)
    assert forth.remaining + len(forth.new) == len(after)


@given(_FAULTS)
def test_nothing_changes_nothing(faults: list[Diagnostic]) -> None:
    same = score(faults, list(reversed(faults)), [])
    assert (same.value, same.new, same.resolved) == (0, (), ())


def test_a_fault_that_moved_is_no_news_and_a_second_one_is() -> None:
    moved = score([fault(1, "x")], [fault(9, "x")], [])
    assert (moved.value, moved.new) == (0, ())
    second = score([fault(1, "x")], [fault(1, "x"), fault(2, "x")], [])
    assert (second.value, len(second.new)) == (-1, 1)
