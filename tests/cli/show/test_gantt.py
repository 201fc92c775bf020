"""Bars are scaled to the width, and never vanish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.show.gantt import bar
from treadle.cli.show.timeline import Stretch, Timeline

RUN = Timeline(began=100.0, ended=110.0)


def test_bars_are_scaled_and_waits_are_told_apart() -> None:
    stretches = [
        Stretch("approval", 100.0, 102.0),
        Stretch("run", 102.0, 105.0),
        Stretch("retry", 105.0, 108.0),
        Stretch("run", 108.0, 110.0),
    ]
    assert bar(RUN, stretches, 10, critical=False) == "??▒▒▒~~~▒▒"
    assert bar(RUN, stretches, 10, critical=True) == "??███~~~██"


def test_time_in_which_nobody_held_the_run_has_no_width() -> None:
    run = Timeline(began=0.0, ended=1_010.0, gaps=(Stretch("rest", 5.0, 1_005.0),))
    assert run.seconds == 10.0
    assert bar(run, [Stretch("run", 0.0, 5.0)], 10, critical=True) == "█████     "
    assert bar(run, [Stretch("run", 1_005.0, 1_010.0)], 10, critical=True) == "     █████"


@given(
    st.floats(100.0, 110.0), st.floats(0.0, 10.0), st.integers(1, 200), st.booleans(), st.booleans()
)
def test_a_bar_is_as_wide_as_asked_and_is_there(
    start: float, length: float, width: int, critical: bool, instant: bool
) -> None:
    run = Timeline(began=100.0, ended=100.0) if instant else RUN
    drawn = bar(run, [Stretch("run", start, start + length)], width, critical=critical)
    assert len(drawn) == width
    assert drawn.strip()
