"""The judge: what tests say of code, decided where the code cannot reach."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

from pydantic import BaseModel, Field, JsonValue, ValidationError

from treadle.agents.coding.case import Call, Case, Seen
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.suite import Suite

MOST_TESTS = 60
"""Tests of one module."""

TestKind: TypeAlias = Literal["assertion", "raised", "ended", "test_error", "too many"]


class SeenCall(BaseModel):
    """A call that a test made, as the harness saw it.

    arguments, result: as Python writes them, shortened. json_form: the arguments as JSON, where
    they have a form in it. at: the line of the code that raised.
    """

    function: str = Field(max_length=200)
    arguments: str = Field(max_length=4000)
    result: str = Field(max_length=4000)
    json_form: dict[str, JsonValue] | None = Field(default=None, alias="json")
    at: int | None = None

    @property
    def call(self) -> Call | None:
        """The call, where it can be made again."""
        if self.json_form is None:
            return None
        args, named = self.json_form.get("args"), self.json_form.get("named")
        if not isinstance(args, list) or not isinstance(named, dict):
            return None
        return Call(self.function, tuple(args), named)


class TestOutcome(BaseModel):
    """What one test came to."""

    __test__ = False

    name: str = Field(max_length=300)
    passed: bool
    kind: TestKind | None = None
    why: str = Field(default="", max_length=4000)
    calls: list[SeenCall] = []
    printed: str = Field(default="", max_length=20_000)


class _SeenWire(BaseModel):
    value: JsonValue = None
    text: str = ""
    error: str | None = None
    ended: str | None = None
    at: int | None = None


class _Answer(BaseModel):
    tests: list[TestOutcome] | None = None
    seen: list[_SeenWire] | None = None


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What one case came to; compared on the host."""

    case: Case
    seen: Seen

    @property
    def passed(self) -> bool:
        """Whether it came out as it should."""
        return self.case.holds(self.seen)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What tests and cases say of one piece of code.

    broken: why there is no verdict on the tests (the code ended the harness's time, or memory);
        they count as failed then.
    """

    tests: tuple[TestOutcome, ...] = ()
    cases: tuple[CaseOutcome, ...] = ()
    broken: str = ""
    suite: Suite = field(default_factory=Suite)

    def counted(self, *sources: str) -> tuple[int, int]:
        """How many of the tests and cases from `sources` passed, and how many there are."""
        outcomes = [each.passed for each in self.cases if each.case.source in sources]
        if "given" in sources:
            outcomes += [each.passed for each in self.tests]
        if self.broken and not outcomes:
            return 0, 1
        return sum(outcomes), len(outcomes)

    @property
    def passed(self) -> bool:
        """Whether all that decides was passed; see `Suite.decisive`."""
        passed, total = self.counted(*self.suite.decisive)
        return not self.broken and passed == total

    @property
    def failures(self) -> list[CaseOutcome]:
        """The cases that decide, and did not come out as they should."""
        return self.failed_cases(*self.suite.decisive)

    def failed_cases(self, *sources: str) -> list[CaseOutcome]:
        """The cases from `sources` that did not come out as they should."""
        return [each for each in self.cases if each.case.source in sources and not each.passed]

    @property
    def failed_tests(self) -> list[TestOutcome]:
        """The given tests that failed."""
        return [each for each in self.tests if not each.passed]


class Judge:
    """Judges code by tests in the sandbox.

    Cases: only the calls enter the sandbox. What came out is compared here, so that no expected
    answer is anywhere near the code. Tests of a module run in a process beside that of the code,
    which reaches it only by calls; its result is signed with a number that is made for it, and
    that the code never had a way to see. What the code prints, patches, overwrites or exits with
    says nothing.

    test_seconds: for each test, and each call.
    """

    def __init__(self, executions: Executions, *, test_seconds: float = 5.0) -> None:
        self._executions = executions
        self._test_seconds = test_seconds

    async def judge(self, code: str, suite: Suite) -> Judgement:
        """What `suite` says of `code`.

        Raises ToolError where the sandbox is not to be had, and BudgetExceeded.
        """
        calls = [each.call for each in suite.cases]
        answer, problem = await self._ask("test", code, suite, calls)
        if answer is None:
            lost = Seen(ended=problem)
            outcomes = tuple(CaseOutcome(each, lost) for each in suite.cases)
            return Judgement((), outcomes, problem, suite)
        if not calls and not suite.tests.strip():
            # Nothing but that it loads was tried: that is no test that was passed.
            return Judgement((), (), _unloaded(answer), suite)
        seen = _seen(answer, len(calls))
        outcomes = tuple(
            CaseOutcome(case, each) for case, each in zip(suite.cases, seen, strict=True)
        )
        if suite.tests.strip() and not answer.tests:
            problem = "no test of the module was run"
        return Judgement(tuple(answer.tests or ()), outcomes, problem, suite)

    async def observe(self, code: str, calls: Sequence[Call]) -> list[Seen]:
        """What each of `calls` gives. Raises as `judge` does."""
        if not calls:
            return []
        answer, problem = await self._ask("observe", code, Suite(), calls)
        if answer is None:
            return [Seen(ended=problem)] * len(calls)
        return _seen(answer, len(calls))

    async def _ask(
        self, purpose: str, code: str, suite: Suite, calls: Sequence[Call]
    ) -> tuple[_Answer | None, str]:
        nonce = secrets.token_hex(16)
        job = {
            "nonce": nonce,
            "code": code,
            "candidate": program("wire_values") + program("candidate"),
            "tests": suite.tests,
            "modules": list(suite.modules()),
            "entry": suite.entry,
            "calls": [each.wire() for each in calls],
            "test_seconds": self._test_seconds,
            "seconds": max(1.0, self._executions.limits.seconds * 0.8),
            "most_tests": MOST_TESTS,
        }
        limits = self._executions.limits
        result = await self._executions.run(
            purpose,
            program("harness"),
            files={
                "job.json": json.dumps(job),
                "remote.py": program("remote"),
                "wire_values.py": program("wire_values"),
                "little_pytest.py": program("little_pytest"),
            },
            limits=replace(limits, output_bytes=max(limits.output_bytes, 1024 * 1024)),
            shown=code,
        )
        for line in reversed(result.stdout.splitlines()):
            signature, _, answer = line.partition(" ")
            if secrets.compare_digest(signature.encode(), nonce.encode()):
                try:
                    return _Answer.model_validate_json(answer), ""
                except ValidationError as error:
                    return (
                        None,
                        f"the harness's answer makes no sense: {error.error_count()} errors",
                    )
        why = result.reason or f"exit code {result.exit_code}"
        return None, f"no verdict came ({result.status}: {why})"


def _unloaded(answer: _Answer) -> str:
    for each in answer.tests or ():
        if not each.passed:
            return f"it does not load: {each.why}"
    return "" if answer.tests else "it was not loaded"


def _seen(answer: _Answer, wanted: int) -> list[Seen]:
    found = [
        Seen(each.value, each.text, each.error, each.ended, each.at) for each in answer.seen or ()
    ]
    return (found + [Seen(ended="the harness did not come to it")] * wanted)[:wanted]


@cache
def program(name: str) -> str:
    """The source of a program that runs inside the sandbox."""
    return (files("treadle.agents.coding.inside") / f"{name}.py").read_text(encoding="utf-8")
