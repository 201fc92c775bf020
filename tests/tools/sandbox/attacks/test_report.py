"""The report: its exit code, its table and its JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.sandbox.attacks import AttackReport, SelftestReport, Verdict
from treadle.tools.sandbox.attacks.report import printable
from treadle.tools.sandbox.contract import SandboxLevel


def _attack(name: str, verdict: Verdict, detail: str = "", control: str = "") -> AttackReport:
    return AttackReport(name, "group", "an aim", verdict, detail, 0.25, control)


def test_only_breaches_and_what_is_unclear_fail_it() -> None:
    def code(*verdicts: Verdict) -> int:
        attacks = tuple(_attack("x", each) for each in verdicts)
        return SelftestReport(SandboxLevel.STRICT, attacks).exit_code

    assert code(Verdict.HELD, Verdict.NOT_APPLICABLE) == 0
    assert code(Verdict.HELD, Verdict.BREACHED) == 1
    assert code(Verdict.UNCLEAR) == 1
    assert code() == 0


def test_the_table_has_a_row_for_each_and_a_summary() -> None:
    report = SelftestReport(
        SandboxLevel.USER,
        (
            _attack("first", Verdict.HELD, control="succeeded"),
            _attack("the-second", Verdict.BREACHED, "the host's secret came out", "skipped"),
            _attack("third", Verdict.NOT_APPLICABLE),
        ),
    )
    lines = report.as_table().splitlines()
    assert lines[0].split()[:3] == ["attack", "verdict", "without"]
    assert lines[1].split()[:3] == ["first", "held", "succeeded"]
    assert lines[2].endswith("the host's secret came out")
    assert lines[3].split()[1:3] == ["not", "applicable"]
    assert "level user: 3 attacks, 1 held, 1 breached, 0 unclear, 1 not applicable" in lines[-1]
    assert "1 shown to succeed without a sandbox" in lines[-1]


def test_the_json_names_everything() -> None:
    report = SelftestReport(SandboxLevel.STRICT, (_attack("x", Verdict.BREACHED, "seen"),))
    document = json.loads(json.dumps(report.as_json()))
    assert document["level"] == "strict"
    assert document["counts"] == {"held": 0, "breached": 1, "unclear": 0, "not_applicable": 0}
    assert document["attacks"][0]["detail"] == "seen"
    assert document["attacks"][0]["verdict"] == "breached"


@given(st.text(st.characters(codec=None), max_size=400))
def test_what_attacks_say_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 300


def test_what_is_printable_stays_as_it_is() -> None:
    assert printable("größer ☃ than 'x'") == "größer ☃ than 'x'"
    assert printable("\x1b[2J\n") == "\\x1b[2J\\n"
