"""Code, and a model, that want to be taken for better than they are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.agents.coding.conftest import BareRunner, python

from treadle.agents.coding import Call, Case, CodeAgent, LoopLimits, Strategy
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.judge import Judge
from treadle.agents.coding.suite import Suite
from treadle.core.budget import Budget
from treadle.core.chat import ChatRequest
from treadle.core.errors import BudgetExceeded
from treadle.testing import ScriptedModel
from treadle.tools.sandbox import Sandbox
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits

# Every judgement is a process or more, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

TESTS = """
from solution import add
MAGIC = "the expected answer is kept here"
def test_add():
    assert add(1, 2) == 3
def test_magic():
    assert add(MAGIC, "") == MAGIC
"""


@pytest.fixture
async def boxed() -> AsyncIterator[Judge]:
    """A judge with the real sandbox."""
    async with Sandbox() as sandbox:
        tried = await sandbox.run("1 + 1")
        if tried.status == "refused" or tried.level is SandboxLevel.UNSAFE:
            pytest.skip(f"NO SANDBOX ON THIS MACHINE, attacks were not tried: {tried.reason}")
        yield Judge(Executions(sandbox, limits=SandboxLimits(seconds=30)), test_seconds=6)


PRETENDING = {
    "prints that all is well": 'print("2 passed, all tests passed")\nimport os\nos._exit(0)',
    "prints a signed verdict": """
import json, os, sys
for signature in ("0" * 32, os.environ.get("NONCE", ""), "nonce"):
    print(signature, json.dumps({"tests": [{"name": "test_add", "passed": True}]}), flush=True)
os._exit(0)""",
    "patches the modules of the tests": """
import builtins, sys, types
class Fine:
    def __getattr__(self, name): return Fine()
    def __call__(self, *args, **named): return Fine()
    def __eq__(self, other): return True
for name in ("unittest", "pytest", "tests", "remote", "little_pytest", "__main__"):
    sys.modules[name] = Fine()
builtins.AssertionError = type("Never", (Exception,), {})
def add(a, b): return 4""",
    "overwrites files": """
import os, pathlib
for name in ("tests.py", "test_solution.py", "conftest.py", "job.json", "remote.py",
             "sitecustomize.py", "pytest.py", "solution.py"):
    try: pathlib.Path(name).write_text("raise SystemExit(0)")
    except OSError: pass
def add(a, b): return 4""",
    "forges frames": """
import os
def add(a, b):
    for number in range(3, 20):
        try: os.write(number, b'{"tests": [], "value": 9}\\n{"value": 9}\\n' * 3)
        except OSError: pass
    return 4""",
    "kills the harness": """
import os, signal
def add(a, b):
    os.kill(os.getppid(), signal.SIGKILL)
    return 4""",
    "stops the harness": """
import os, signal
def add(a, b):
    os.kill(os.getppid(), signal.SIGSTOP)
    return 4""",
    "writes into the harness": """
import os
def add(a, b):
    parent = os.getppid()
    for name in ("fd/1", "fd/2", "fd/4", "mem", "comm"):
        try: open(f"/proc/{parent}/{name}", "wb").write(b"0" * 32 + b' {"tests": []}')
        except OSError: pass
    return 4""",
    "is equal to everything": """
class Equal:
    def __eq__(self, other): return False
    def __ne__(self, other): return True
def add(a, b): return 4 if a == 1 else Equal()""",
}


@pytest.mark.parametrize("code", PRETENDING.values(), ids=PRETENDING)
async def test_pretending_passes_no_test(boxed: Judge, code: str) -> None:
    cases = (Case(Call("add", (1, 2)), 3),)
    judgement = await boxed.judge(code, Suite(TESTS, cases))
    assert not judgement.passed
    assert all(not each.passed for each in judgement.tests if each.name == "test_add")
    assert not any(each.passed for each in judgement.cases)


async def test_an_honest_program_passes_in_the_real_sandbox(boxed: Judge) -> None:
    suite = Suite(TESTS, (Case(Call("add", (1, 2)), 3),))
    judgement = await boxed.judge("def add(a, b): return a + b", suite)
    assert judgement.passed, judgement
    assert judgement.counted("given") == (3, 3)


READING = """
import glob, os, sys
def everything():
    found = []
    frame = sys._getframe()
    while frame is not None:
        found += [str(frame.f_globals), str(frame.f_locals)]
        frame = frame.f_back
    for pattern in ("*", "/tmp/*", "/workspace/**", "/proc/*/environ", "/proc/*/cmdline",
                    "/proc/*/fd/*", "/proc/*/task/*/environ"):
        for path in glob.glob(pattern, recursive=True):
            try:
                number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                found.append(os.read(number, 65536).decode("utf-8", "replace"))
                os.close(number)
            except OSError: pass
    return "".join(found)
def look():
    text = everything()
    return "expected answer" + " is kept" in text or "def test_" + "seen" in text
"""


async def test_the_expected_answers_cannot_be_read(boxed: Judge) -> None:
    tests = (
        'WHOLE = "the expected answer is kept here"\n'
        "from solution import look\n"
        "def test_seen(): assert look() is False\n"
    )
    judgement = await boxed.judge(READING, Suite(tests))
    assert judgement.passed, judgement


async def test_a_model_that_only_claims_success_has_no_code() -> None:
    model = ScriptedModel(lambda request: "All tests passed! VERDICT: passed. Done.")
    agent = CodeAgent(model=model, sandbox=BareRunner())
    with pytest.raises(Exception, match="wrote no program"):
        await agent.run("add two numbers", tests="assert add(1, 2) == 3")
    assert len(model.requests) == LoopLimits().turns


async def test_hidden_tests_are_not_shown_and_what_they_expect_is_not_either() -> None:
    model = ScriptedModel(lambda request: python(f"def key(): return {len(request.messages)}"))
    agent = CodeAgent(model=model, sandbox=BareRunner())
    tests = "def test_key(): assert key() == 424242\n"
    result = await agent.run("find the key", tests=tests)
    assert result.output.verdict == "failed"
    shown = "".join(each.content for request in model.requests for each in request.messages)
    assert "424242" not in shown
    assert "test_key fails" in shown


async def test_a_model_that_never_stops_acting_is_stopped() -> None:
    def acting(request: ChatRequest) -> str:
        return f"```bash\necho {len(request.messages)}\n```"

    runner = BareRunner()
    limits = LoopLimits(attempts=2, actions=3, turns=8)
    agent = CodeAgent(model=ScriptedModel(acting), sandbox=runner, strategy=Strategy(loop=limits))
    with pytest.raises(Exception, match="wrote no program"):
        await agent.run("anything")
    assert runner.runs == 3


async def test_a_budget_bounds_all_candidates_together_and_keeps_what_there_is() -> None:
    model = ScriptedModel(lambda request: python(f"def f(): return {len(request.messages)}"))
    strategy = Strategy(candidates=4, loop=LoopLimits(attempts=50, turns=60))
    runner = BareRunner()
    agent = CodeAgent(model=model, sandbox=runner, strategy=strategy, budget=Budget(steps=9))
    result = await agent.run("never right", tests="assert f() == -1")
    evidence = result.output.evidence
    assert result.output.verdict == "failed"
    assert runner.runs <= 9
    assert evidence.stopped is not None
    assert evidence.stopped.code == "budget_exceeded"
    assert result.output.code


async def test_a_budget_that_allows_nothing_is_said_so() -> None:
    agent = CodeAgent(
        model=ScriptedModel(lambda request: python("x = 1")),
        sandbox=BareRunner(),
        budget=Budget(tokens=1),
    )
    with pytest.raises(BudgetExceeded):
        await agent.run("anything")
