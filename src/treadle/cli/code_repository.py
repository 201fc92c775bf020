"""What `treadle code --repository` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.harmless import harmless, one_line
from treadle.cli.options import CommonOptions
from treadle.cli.output import print_json, print_note, stdout_is_terminal, write_stdout

if TYPE_CHECKING:
    from treadle.agents.coding import RepositoryResult

EXIT_CODES = {"passed": 0, "unverified": 0, "failed": 1, "worse": 1, "unchanged": 1}
_WORDS = {
    "passed": "every test passes",
    "unverified": "not verified: the repository has no tests that ran",
    "failed": "changed, but tests still fail",
    "worse": "it got worse; everything was put back",
    "unchanged": "nothing was changed",
}


def print_changes(result: RepositoryResult, run_id: str, options: CommonOptions) -> None:
    """The diff on stdout, and on stderr what is known of it."""
    if options.json:
        status = "succeeded" if EXIT_CODES[result.verdict] == 0 else "failed"
        print_json({"status": status, "run_id": run_id, **result.as_json(), "error": None})
        return
    if result.kept:
        write_stdout(harmless(result.diff) if stdout_is_terminal() else result.diff)
    evidence = result.evidence
    print_note(
        f"{_WORDS[result.verdict]}; tests passed: {evidence.before.passed} of "
        f"{evidence.before.total} before, {evidence.after.passed} of {evidence.after.total} after; "
        f"score of diagnostics {'not measured' if evidence.score is None else evidence.score}; "
        f"sandbox level {evidence.level}; run {run_id}"
    )
    for name in evidence.broken[:5]:
        print_note(f"- {one_line(name, 300)} no longer passes")
    if result.answer:
        print_note(one_line(result.answer, 1000))
    if evidence.stopped is not None:
        print_note(f"stopped early: {one_line(str(evidence.stopped), 300)}")
