"""The judge, with real processes."""

from __future__ import annotations

import pytest
from tests.agents.coding.conftest import BareRunner

from treadle.agents.coding.case import Call, Case
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.judge import Judge
from treadle.agents.coding.suite import Suite
from treadle.tools.sandbox.contract import SandboxLimits

# Every judgement is a process or more, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

CODE = """
class Empty(LookupError):
    pass

class Stack:
    def __init__(self, items=()):
        self.items = list(items)
    def push(self, item):
        self.items.append(item)
    def pop(self):
        if not self.items:
            raise Empty("nothing there")
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    def __iter__(self):
        return iter(self.items)
    def __eq__(self, other):
        return self.items == other.items

LIMIT = 7
def add(a, b): return a + b
def count(n): yield from range(n)
async def later(x): return x
def each(function, items): return [function(item) for item in items]
def shapes(): return (1, {2, 3}, {"a": b"x", 4: [None]}, 2 + 3j, 10**2000)
"""

TESTS = """
import unittest
import pytest
from solution import LIMIT, Empty, Stack, add, count, each, later, shapes

def test_objects():
    stack = Stack([0])
    stack.push(1)
    stack.push({"k": (2,)})
    assert len(stack) == 3 and list(stack) == [0, 1, {"k": (2,)}]
    assert stack.pop() == {"k": (2,)}
    assert isinstance(stack, Stack) and not isinstance(3, Stack)
    assert stack == Stack([0, 1]) and stack.items == [0, 1]
    stack.items = []
    with pytest.raises(Empty, match="nothing"):
        stack.pop()
    with pytest.raises(LookupError):
        stack.pop()

@pytest.mark.parametrize("a, b, c", [(1, 2, 3), ("x", "y", "xy"), (2, 2, 5)])
def test_add(a, b, c):
    assert add(a, b) == c

def test_generator(): assert list(count(3)) == [0, 1, 2]
async def test_awaiting(): assert await later(5) == 5
def test_callback(): assert each(lambda x: x * LIMIT, [1, 2]) == [7, 14]
def test_shapes(): assert shapes() == (1, {2, 3}, {"a": b"x", 4: [None]}, 2 + 3j, 10**2000)
def test_approximately(): assert add(0.1, 0.2) == pytest.approx(0.3)

class TestMethods:
    def setup_method(self): self.x = 2
    def test_inside(self): assert add(self.x, 1) == 3

class TestCase(unittest.TestCase):
    def setUp(self): self.x = 3
    def test_it(self): self.assertEqual(add(self.x, 1), 5)

assert add(1, 1) == 2
assert add(1, 1) == 3
"""


async def test_tests_of_all_forms_run_against_code_in_another_process(judge: Judge) -> None:
    judgement = await judge.judge(CODE, Suite(TESTS))
    failed = {each.name for each in judgement.failed_tests}
    assert failed == {"line 39", "test_add[2]", "TestCase.test_it"}
    assert judgement.counted("given") == (10, 13)
    assert not judgement.passed
    (wrong,) = (each for each in judgement.failed_tests if each.name == "test_add[2]")
    assert wrong.kind == "assertion"
    assert (wrong.calls[0].function, wrong.calls[0].arguments, wrong.calls[0].result) == (
        "add",
        "2, 2",
        "4",
    )
    assert wrong.calls[0].call == Call("add", (2, 2))


async def test_humaneval_style_tests_are_given_the_entry(judge: Judge) -> None:
    tests = "def check(candidate):\n    assert candidate(2, 2) == 4\n"
    assert (await judge.judge(CODE, Suite(tests, entry="add"))).passed
    assert not (await judge.judge("def add(a, b): return 5", Suite(tests, entry="add"))).passed


async def test_cases_are_compared_on_the_host(judge: Judge) -> None:
    cases = (
        Case(Call("add", (1,), {"b": 2}), 3),
        Case(Call("add", (1, "x")), error="TypeError"),
        Case(Call("count", (3,)), [0, 1, 2]),
        Case(Call("later", (4,)), 4),
        Case(Call("add", (1, 1)), 3),
        Case(Call("missing"), 3),
    )
    judgement = await judge.judge(CODE, Suite(cases=cases))
    assert [each.passed for each in judgement.cases] == [True, True, True, True, False, False]
    assert judgement.cases[5].seen.error == "AttributeError"


async def test_no_expected_answer_enters_the_sandbox_with_a_case() -> None:
    class Watching(BareRunner):
        files = ""

        async def run(self, code=None, **options):  # type: ignore[no-untyped-def]
            self.files += str(code) + str(options)
            return await super().run(code, **options)

    runner = Watching()
    judge = Judge(Executions(runner, limits=SandboxLimits()))
    secret = "an answer that nobody can guess"
    judgement = await judge.judge("def f(): return 1", Suite(cases=(Case(Call("f"), secret),)))
    assert not judgement.passed
    assert secret not in runner.files


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os\nos._exit(0)", "its process ended"),
        ("raise SystemExit(0)", "0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def add(a, b", "SyntaxError"),
        ("import nothing_like_that", "ModuleNotFoundError"),
        ("def add(a, b):\n    while True: pass", "it took too long"),
        ("def add(a, b):\n    return 'x' * 20_000_000", "it returned too much"),
        ("def add(a, b): return [add] * 3", ""),
        ("def add(a, b): return float('nan')", ""),
        ("def add(a, b):\n    x = []\n    x.append(x)\n    return x", ""),
        ("class A:\n    def __eq__(self, other): 1 / 0\ndef add(a, b): return A()", "division"),
    ],
)
async def test_code_that_does_not_answer_fails(judge: Judge, code: str, why: str) -> None:
    suite = Suite("from solution import add\ndef test_add(): assert add(1, 2) == 3\n")
    judgement = await judge.judge(code, suite)
    assert not judgement.passed
    assert why in f"{judgement.broken} {[each.why for each in judgement.tests]}"


async def test_without_any_test_it_must_load_and_that_counts_for_nothing(judge: Judge) -> None:
    good = await judge.judge("x = 1", Suite())
    assert good.passed
    assert good.counted("given") == (0, 0)
    bad = await judge.judge("x = ", Suite())
    assert not bad.passed
    assert "does not load" in bad.broken


async def test_a_test_that_is_wrong_itself_is_no_pass(judge: Judge) -> None:
    judgement = await judge.judge(CODE, Suite("def test_x():\n    nothing_here()\n"))
    (outcome,) = judgement.tests
    assert (outcome.passed, outcome.kind) == (False, "test_error")


async def test_each_test_has_a_fresh_process(judge: Judge) -> None:
    code = "seen = []\ndef add(x):\n    seen.append(x)\n    return list(seen)\n"
    tests = "def test_a(): assert add(1) == [1]\ndef test_b(): assert add(2) == [2]\n"
    assert (await judge.judge(code, Suite(tests))).passed
