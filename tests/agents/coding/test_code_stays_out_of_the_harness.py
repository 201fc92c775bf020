"""The code under test has no say in what the process of the tests imports, or in what asserts mean."""

from __future__ import annotations

import pytest

from treadle.agents.coding.judge import Judge
from treadle.agents.coding.suite import Suite

PLANTED = """
import sys, __main__
__main__.Run.fail = lambda self, name, *a, **k: self.results.append({"name": name, "passed": True})
"""
PLANTER = f"""
for name in ("asyncio", "unittest", "bisect", "fractions", "decimal", "hashlib"):
    open(name + ".py", "w").write({PLANTED!r})
def f(x): return 999
"""


@pytest.mark.parametrize(
    "tests",
    [
        "class TestF:\n    async def test_a(self):\n        assert f(1) == 4\n",
        "import unittest\nclass TestF(unittest.TestCase):\n"
        "    def test_a(self):\n        self.assertEqual(f(1), 4)\n",
        "import bisect\ndef test_a():\n    assert f(1) == 4\n",
    ],
    ids=["a coroutine", "unittest", "an import"],
)
async def test_files_that_it_writes_are_not_imported(judge: Judge, tests: str) -> None:
    assert not (await judge.judge(PLANTER, Suite(tests=tests))).passed


async def test_its_names_do_not_replace_what_asserts_are_made_of(judge: Judge) -> None:
    code = "def f(x): return 999\ndef abs(x): return 0\ndef sorted(x): return [1]\n"
    tests = "def test_f():\n    assert abs(f(2) - 4) < 1e-6\n    assert sorted([f(1)]) == [1]\n"
    assert not (await judge.judge(code, Suite(tests=tests))).passed


async def test_it_may_define_such_a_name_that_tests_import(judge: Judge) -> None:
    code = "def sum(numbers):\n    return 40\n"
    tests = "from solution import sum\ndef test_sum():\n    assert sum([1]) == 40\n"
    assert (await judge.judge(code, Suite(tests=tests))).passed


@pytest.mark.parametrize("expected", ["4", "'four'", "[1, 2]", "{'a': 1}", "(1,)", "2.5"])
async def test_what_is_equal_to_everything_passes_nothing(judge: Judge, expected: str) -> None:
    code = "class Any:\n    def __eq__(self, other): return True\ndef f(x): return Any()\n"
    tests = f"def test_f():\n    assert f(2) == {expected}\n"
    assert not (await judge.judge(code, Suite(tests=tests))).passed
