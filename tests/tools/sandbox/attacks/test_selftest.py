"""The self-test itself: it tells a breach from what held, and what held from what never ran."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import pytest

from treadle.core.errors import ToolError
from treadle.tools.sandbox.attacks import Attack, Verdict, run_selftest
from treadle.tools.sandbox.attacks.attack import MODEST
from treadle.tools.sandbox.attacks.attempt import Target, attempt
from treadle.tools.sandbox.attacks.judge import verdict_of
from treadle.tools.sandbox.attacks.plain import plain_python
from treadle.tools.sandbox.attacks.report import AttackReport
from treadle.tools.sandbox.attacks.world import World
from treadle.tools.sandbox.contract import (
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxResult,
)
from treadle.tools.sandbox.sandbox import Sandbox

Answer = Callable[[str], Awaitable[SandboxResult]]


class _Runner:
    """A CodeRunner that answers as it is told, and runs nothing."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def run(
        self,
        code: str | None = None,
        *,
        command: Sequence[str] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        results: Sequence[str] = (),
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
    ) -> SandboxResult:
        return await self._answer(code or "")


def _result(stdout: str = "", status: str = "ok", **more: object) -> SandboxResult:
    made = {"stderr": "", "level": SandboxLevel.STRICT, "seconds": 0.0, "exit_code": 0, **more}
    return SandboxResult(status=status, stdout=stdout, **made)  # type: ignore[arg-type]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(plain_python(None)) as made:
        yield made


async def _judged(
    world: World, answer: Answer, attack: Attack | None = None
) -> tuple[Verdict, str]:
    tried = attack or Attack("sample", "sample", "a sample", "pass", limits=MODEST)
    target = Target(_Runner(answer), SandboxLevel.STRICT, world, grace=0.2)
    return verdict_of(await attempt(tried, target))


async def test_what_began_and_came_to_nothing_was_held(world: World) -> None:
    async def answer(_code: str) -> SandboxResult:
        return _result(f"@began {world.nonce}\n@ended {world.nonce}\n")

    assert await _judged(world, answer) == (Verdict.HELD, "")


async def test_the_secret_in_any_part_of_the_result_is_a_breach(world: World) -> None:
    began = f"@began {world.nonce}"
    for found in (
        _result(f"{began} {world.secret}"),
        _result(began, stderr=world.secret),
        _result(began, reason=world.secret),
        _result(began, value={"deep": [world.secret]}),
        _result(began, files={"x": b"\xff" + world.secret.encode()}),
    ):

        async def answer(_code: str, found: SandboxResult = found) -> SandboxResult:
            return found

        verdict, detail = await _judged(world, answer)
        assert verdict is Verdict.BREACHED
        assert world.secret not in detail


async def test_what_is_done_to_the_host_counts_whatever_the_attack_says(world: World) -> None:
    async def silent() -> SandboxResult:
        return _result(f"@began {world.nonce}\n@ended {world.nonce}")

    async def writes(_code: str) -> SandboxResult:
        world.writable.write_text("changed")
        return await silent()

    async def marks(_code: str) -> SandboxResult:
        (world.markers / "here").touch()
        return await silent()

    async def connects(_code: str) -> SandboxResult:
        _reader, writer = await asyncio.open_connection("127.0.0.1", world.listeners.tcp_port)
        writer.write(world.nonce.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        return await silent()

    for deed, word in ((writes, "changed"), (marks, "here"), (connects, "tcp")):
        verdict, detail = await _judged(world, deed)
        assert verdict is Verdict.BREACHED
        assert word in detail
    # Nothing of one trial counts for the next.
    assert (await _judged(world, lambda _code: silent()))[0] is Verdict.HELD


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
async def test_a_process_that_stays_is_a_breach_and_is_ended(world: World) -> None:
    code = "import ctypes, sys, time; ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)"
    started: list[subprocess.Popen[bytes]] = []

    async def answer(_code: str) -> SandboxResult:
        made = subprocess.Popen(
            [sys.executable, "-I", "-c", f"{code}; print(flush=True); time.sleep(60)", world.comm],
            stdout=subprocess.PIPE,
        )
        started.append(made)
        assert made.stdout is not None
        await asyncio.to_thread(made.stdout.readline)
        return _result(f"@began {world.nonce}\n@ended {world.nonce}")

    verdict, detail = await _judged(world, answer)
    assert verdict is Verdict.BREACHED
    assert "outlived" in detail
    assert await asyncio.to_thread(started[0].wait, 5) == -9
    started[0].communicate()


async def test_a_host_that_hangs_or_breaks_is_a_breach(world: World) -> None:
    async def hangs(_code: str) -> SandboxResult:
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks(_code: str) -> SandboxResult:
        raise RecursionError("too deep")

    short = Attack("sample", "sample", "a sample", "pass", limits=SandboxLimits(seconds=0.1))
    assert "hung" in (await _judged(world, hangs, short))[1]
    verdict, detail = await _judged(world, breaks)
    assert verdict is Verdict.BREACHED
    assert "RecursionError" in detail


async def test_what_never_ran_did_not_hold(world: World) -> None:
    async def refuses(_code: str) -> SandboxResult:
        return _result(status="refused", exit_code=None, reason="no level")

    async def says_nothing(_code: str) -> SandboxResult:
        return _result()

    async def fails(_code: str) -> SandboxResult:
        return _result(f"@began {world.nonce}", "error", stderr="NameError: x", exit_code=1)

    async def raises(_code: str) -> SandboxResult:
        raise ToolError("sandbox_failed", "no")

    for answer in (refuses, says_nothing, fails, raises):
        assert (await _judged(world, answer))[0] is Verdict.UNCLEAR
    polite = Attack("sample", "sample", "a sample", "pass", may_refuse=True)
    assert (await _judged(world, refuses, polite))[0] is Verdict.HELD


async def test_an_innocent_execution_that_fails_afterwards_is_a_breach(world: World) -> None:
    calls: list[str] = []

    async def answer(code: str) -> SandboxResult:
        calls.append(code)
        ended = f"@began {world.nonce}\n@ended {world.nonce}"
        return _result(ended) if len(calls) == 1 else _result(ended, "killed", exit_code=None)

    attack = Attack("sample", "sample", "a sample", "pass", then="print('fine')")
    verdict, detail = await _judged(world, answer, attack)
    assert verdict is Verdict.BREACHED
    assert "innocent" in detail
    assert "print('fine')" in calls[1]


async def test_a_runner_without_a_boundary_is_not_attacked() -> None:
    async def answer(_code: str) -> SandboxResult:
        return _result("42\n", level=SandboxLevel.UNSAFE)

    with pytest.raises(ToolError) as caught:
        await run_selftest(_Runner(answer), only=["tcp"])
    assert caught.value.code == "selftest_failed"
    assert "unsafe" in caught.value.message


async def test_a_runner_that_gives_everything_away_is_found_out() -> None:
    async def answer(code: str) -> SandboxResult:
        if "6 * 7" in code:
            return _result("42\n")
        return _result(os.environ["TREADLE_SELFTEST_CANARY"])

    heard: list[AttackReport] = []
    report = await run_selftest(
        _Runner(answer), only=["environment", "symlink"], control=False, heard=heard.append
    )
    assert [each.verdict for each in report.attacks] == [Verdict.BREACHED] * 2
    assert list(report.attacks) == heard
    assert report.exit_code == 1
    assert "TREADLE_SELFTEST_CANARY" not in os.environ


async def test_the_sandbox_passes_some_attacks_with_their_controls() -> None:
    async with Sandbox() as sandbox:
        first = await sandbox.run("1")
        if first.status == "refused":
            pytest.skip(f"NO SANDBOX on this machine: {first.reason}")
        report = await run_selftest(sandbox, only=["symlink", "tcp", "shadow"])
    assert report.exit_code == 0, report.as_table()
    assert {each.name: each.control for each in report.attacks} == {
        "symlink": "succeeded",
        "tcp": "succeeded",
        "shadow": "skipped",
    }
    document = report.as_json()
    assert document["exit_code"] == 0
    assert document["level"] == report.level
