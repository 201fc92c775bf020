"""Executions at every level that starts processes: the same contract holds at each."""

import asyncio
import os
from dataclasses import replace

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import Sandbox, SandboxLevel, SandboxLimits, SandboxResult
from treadle.tools.sandbox.execution import ColdRunner, Job
from treadle.tools.sandbox.file_names import WantedFiles, checked_files

pytestmark = pytest.mark.timeout(90)  # processes that start take their time on a busy machine

LIMITS = SandboxLimits(seconds=60.0)
LEVELS = [SandboxLevel.STRICT, SandboxLevel.USER, SandboxLevel.CONFINED]
NAMESPACED = [SandboxLevel.STRICT, SandboxLevel.USER]


@pytest.fixture(params=LEVELS)
def runner(request: pytest.FixtureRequest) -> ColdRunner:
    return ColdRunner(need(request.param))


@pytest.fixture(params=NAMESPACED)
def namespaced(request: pytest.FixtureRequest) -> ColdRunner:
    return ColdRunner(need(request.param))


@pytest.fixture
def strict() -> ColdRunner:
    return ColdRunner(need(SandboxLevel.STRICT))


async def run(
    runner: ColdRunner,
    code: str | None = None,
    *,
    command: list[str] | None = None,
    files: dict[str, bytes | str] | None = None,
    results: tuple[str, ...] = (),
    **limits: float,
) -> SandboxResult:
    job = Job(
        code,
        command,
        checked_files(files or {}),
        WantedFiles(results),
        replace(LIMITS, **limits),  # type: ignore[arg-type]
    )
    return await runner.run(job)


async def test_a_snippet_gives_its_value(runner: ColdRunner) -> None:
    result = await run(
        runner, "import sys\nprint('out')\nprint('err', file=sys.stderr)\n[1, {'a': None}]"
    )
    assert (result.status, result.exit_code, result.reason) == ("ok", 0, "")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert result.value == [1, {"a": None}]
    assert result.level is runner.level


@pytest.mark.parametrize("code", ["", "x = 1", "None", "print(1)", "def f(): pass", "# nothing"])
async def test_no_value(runner: ColdRunner, code: str) -> None:
    result = await run(runner, code)
    assert (result.status, result.value) == ("ok", None)


@pytest.mark.parametrize(
    "code", ["object()", "{1}", "float('nan')", "10 ** 5000", "x = []; x.append(x); x", "b'x'"]
)
async def test_a_value_that_is_not_json_is_left_out_and_said(runner: ColdRunner, code: str) -> None:
    result = await run(runner, code.replace("; ", "\n"))
    assert (result.status, result.value) == ("ok", None)
    assert "value was left out" in result.reason


async def test_what_the_kernel_is_told_of_it(runner: ColdRunner) -> None:
    code = """
import os, resource
tried = []
for limit in ((0, 0), (1, 1)):
    resource.setrlimit(resource.RLIMIT_CORE, limit)
    tried.append(resource.getrlimit(resource.RLIMIT_CORE))
resource.prlimit(0, resource.RLIMIT_NOFILE, (20, 20))
os.sync()
tried.append(resource.getrlimit(resource.RLIMIT_NOFILE))
try:
    score = int(open("/proc/self/oom_score_adj").read())
except OSError:
    score = None
tried, score
"""
    result = await run(runner, code)
    # A limit of 1 keeps the host's handler of core dumps from being started.
    expected = [[1, 1], [1, 1], [20, 20]]
    scores = {SandboxLevel.STRICT: 700, SandboxLevel.USER: 1000, SandboxLevel.CONFINED: None}
    assert result.value == [expected, scores[runner.level]], result


async def test_exceptions_show_their_line(runner: ColdRunner) -> None:
    result = await run(runner, "def f():\n    return 1 / 0\nf()")
    assert (result.status, result.exit_code) == ("error", 1)
    assert "return 1 / 0" in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert "launch" not in result.stderr
    assert result.reason == "it raised ZeroDivisionError"


async def test_code_that_is_no_python(runner: ColdRunner) -> None:
    result = await run(runner, "def f(:")
    assert (result.status, result.exit_code) == ("error", 1)
    assert "SyntaxError" in result.stderr


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("exit()", "ok", 0),
        ("import sys; sys.exit(3)", "error", 3),
        ("import sys; sys.exit('words')", "error", 1),
        ("import sys; sys.exit(137)", "error", 137),
        ("import os; os._exit(7)", "error", 7),
        ("import os; os.kill(os.getpid(), 9)", "killed", None),
        ("import os; os.abort()", "killed", None),
        ("import ctypes; ctypes.string_at(0)", "killed", None),
        ("raise MemoryError", "memory", 1),
    ],
)
async def test_how_it_ended(
    runner: ColdRunner, code: str, status: str, exit_code: int | None
) -> None:
    result = await run(runner, code)
    assert (result.status, result.exit_code) == (status, exit_code), result


async def test_it_behaves_as_a_main_program(runner: ColdRunner) -> None:
    code = (
        "import atexit, sys, threading\n"
        "atexit.register(lambda: print('exit'))\n"
        "end = threading.main_thread().join\n"
        "threading.Thread(target=lambda: (end(), print('thread'))).start()\n"
        "if __name__ == '__main__': print('main', sys.argv)\n"
        "import helper\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass P:\n    x: int\n"
        "print(P(1), helper.X, sys.stdin.read() == '')\n"
    )
    result = await run(runner, code, files={"helper.py": "X = 5"})
    assert result.stdout == "main ['main.py']\nP(x=1) 5 True\nthread\nexit\n", result


async def test_a_loop_ends_by_its_time(runner: ColdRunner) -> None:
    result = await run(
        runner, "import time\nprint('so far', flush=True)\ntime.sleep(100)", seconds=4.0
    )
    assert (result.status, result.exit_code, result.stdout) == ("timeout", None, "so far\n")


async def test_the_processor_s_time_is_bounded(runner: ColdRunner) -> None:
    result = await run(runner, "while True: pass", cpu_seconds=1.0)
    assert result.status == "timeout"


async def test_who_ignores_signals_ends_as_well(runner: ColdRunner) -> None:
    code = (
        "import os, signal, time\n"
        "for number in range(1, 32):\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except OSError: pass\n"
        "if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)\n"
        "while True: time.sleep(1)\n"
    )
    result = await run(runner, code, seconds=0.7)
    assert result.status == "timeout"


async def test_output_without_end_is_cut(runner: ColdRunner) -> None:
    result = await run(runner, "while True: print('x' * 1000)", output_bytes=10_000)
    assert (result.status, result.truncated) == ("killed", True)
    assert len(result.stdout) == 10_000


async def test_output_that_is_not_text(runner: ColdRunner) -> None:
    result = await run(runner, "import os\nos.write(1, b'\\xff\\x00\\x1b[31m')")
    assert result.stdout == "\ufffd\x00\x1b[31m"


async def test_memory_is_bounded(runner: ColdRunner) -> None:
    result = await run(runner, "x = bytearray(300 * 1024 * 1024)", memory_bytes=128 * 1024 * 1024)
    assert result.status == "memory"


async def test_memory_of_all_processes_together_is_bounded(strict: ColdRunner) -> None:
    code = (
        "import os, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(50 * 1024 * 1024)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)"
    )
    result = await run(strict, code, memory_bytes=128 * 1024 * 1024)
    assert result.status == "memory"


async def test_a_fork_bomb_is_bounded(strict: ColdRunner) -> None:
    result = await run(strict, "import os\nwhile True: os.fork()", processes=20)
    assert result.status == "killed"
    assert "processes" in result.reason


async def test_disk_is_bounded(namespaced: ColdRunner) -> None:
    code = (
        "import os\n"
        "written = 0\n"
        "for place in ('.', '/tmp', '/dev/shm'):\n"
        "    try:\n"
        "        with open(place + '/f', 'wb') as f:\n"
        "            while True: written += f.write(bytes(1 << 16))\n"
        "    except OSError: pass\n"
        "written\n"
    )
    result = await run(namespaced, code, disk_bytes=4 << 20, file_bytes=64 << 20)
    assert isinstance(result.value, int) or result.value is None
    # The value's own file may find no room; what was written can be no more than the places hold.
    assert not isinstance(result.value, int) or result.value <= (4 + 4 + 16) << 20


async def test_one_file_is_bounded(runner: ColdRunner) -> None:
    code = "with open('f', 'wb') as f:\n    f.write(bytes(2 << 20))"
    result = await run(runner, code, file_bytes=1 << 20)
    assert result.status == "error"
    assert "File too large" in result.stderr


async def test_files_go_in_and_come_out(runner: ColdRunner) -> None:
    code = (
        "import os, pathlib\n"
        "data = pathlib.Path('in/a.bin').read_bytes()\n"
        "pathlib.Path('out.bin').write_bytes(data[::-1])\n"
        "os.makedirs('deep/er')\n"
        "pathlib.Path('deep/er/x.txt').write_text('t')\n"
        "pathlib.Path('deep/er/\\n\\x1b.txt').write_text('t')\n"
        "os.symlink('/etc/passwd', 'link.txt')\n"
        "os.symlink('..', 'up')\n"
    )
    result = await run(runner, code, files={"in/a.bin": b"\x00\x01"}, results=("*.bin", "**/*.txt"))
    assert result.status == "ok", result
    assert result.files == {"out.bin": b"\x01\x00", "deep/er/x.txt": b"t"}
    assert "link.txt" in result.reason
    assert "not plain text" in result.reason
    assert result.reason.isprintable()


async def test_files_come_back_after_a_failure_too(runner: ColdRunner) -> None:
    code = "open('f', 'w').write('kept')\nwhile True: pass"
    result = await run(runner, code, results=("f",), seconds=4.0)
    assert (result.status, result.files) == ("timeout", {"f": b"kept"})


async def test_commands(runner: ColdRunner) -> None:
    result = await run(
        runner, command=["sh", "-c", "echo $0 $1; pwd > f; exit 4", "a b", "c"], results=("f",)
    )
    assert (result.status, result.exit_code, result.stdout) == ("error", 4, "a b c\n"), result
    assert list(result.files) == ["f"]
    assert (await run(runner, command=["no-such-program"])).exit_code == 127
    python = await run(runner, command=["python3", "-c", "print(6 * 7)"])
    assert python.stdout == "42\n", python


async def test_nothing_is_inherited(runner: ColdRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    kept = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        code = (
            "import os\n"
            "found = []\n"
            "for number in range(3, 300):\n"
            "    try: os.fstat(number); found.append(number)\n"
            "    except OSError: pass\n"
            "[found, sorted(os.environ)]"
        )
        result = await run(runner, code)
    finally:
        os.close(kept)
    assert isinstance(result.value, list)
    assert result.value[0] == []
    assert "SECRET_TOKEN" not in str(result.value[1])


async def test_nothing_of_the_host_can_be_read(runner: ColdRunner) -> None:
    code = (
        "import os\n"
        "read = []\n"
        "for place in ('/etc/shadow', '/root/.ssh', '/proc/1/environ', '/proc/self/root/etc/shadow', '/var/log', '/run', '/home'):\n"
        "    try: read.append((place, open(place).read(10)))\n"
        "    except IsADirectoryError:\n"
        "        try: read.append((place, os.listdir(place)))\n"
        "        except OSError: pass\n"
        "    except OSError: pass\n"
        "read"
    )
    result = await run(runner, code)
    assert isinstance(result.value, list)
    # A namespace's first process is our own: what it was started with is no secret.
    assert [each for each in result.value if "/proc/1/environ" not in str(each)] == [], result


async def test_executions_do_not_see_each_other(runner: ColdRunner) -> None:
    code = "import os, time\nopen('mine', 'x').close()\ntime.sleep(0.2)\nsorted(os.listdir('.'))"
    results = await asyncio.gather(*(run(runner, code) for _ in range(6)))
    assert [each.value for each in results] == [["mine"]] * 6


async def test_poison_does_not_reach_the_next_one(runner: ColdRunner) -> None:
    poison = (
        "import os, sys\n"
        "for place in {'.', '/tmp', sys.prefix, sys.prefix + '/lib', '/usr/lib/python3'}:\n"
        "    for name in ('sitecustomize.py', 'json.py', 'x.pth', 'conftest.py'):\n"
        "        try: open(os.path.join(place, name), 'w').write('raise SystemExit(66)')\n"
        "        except OSError: pass\n"
    )
    assert (await run(runner, poison)).status == "ok"
    result = await run(runner, "import json, os\n[json.dumps(1), os.listdir('.')]")
    assert (result.status, result.value) == ("ok", ["1", []])


async def test_many_at_once(strict: ColdRunner) -> None:
    results = await asyncio.gather(*(run(strict, f"{number} * 2") for number in range(20)))
    assert [each.value for each in results] == [number * 2 for number in range(20)]


async def test_usage_is_known_where_it_is_counted(strict: ColdRunner) -> None:
    result = await run(strict, "x = bytearray(64 << 20)\nsum(range(10 ** 6))")
    assert result.usage.peak_memory_bytes is not None
    assert result.usage.peak_memory_bytes > 64 << 20
    assert result.usage.cpu_seconds is not None
    assert 0 < result.usage.cpu_seconds < 20


@pytest.mark.parametrize(
    ("code", "files"),
    [(b"1", {}), ("1", {"large": b"x" * 2_000_000})],
    ids=["bytes for code", "more than the workspace holds"],
)
async def test_what_cannot_be_run_is_refused_before_anything_starts(
    code: str, files: dict[str, bytes]
) -> None:
    async with Sandbox(limits=SandboxLimits(disk_bytes=1_000_000), warm=False) as sandbox:
        result = await sandbox.run(code, files=files)
    assert result.status == "refused"
    assert "bad_sandbox_input" in result.reason


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (SandboxLimits(seconds=-1), "seconds must be above 0"),
        (SandboxLimits(seconds=float("inf")), "seconds must be above 0 and finite"),
        (SandboxLimits(cpu_seconds=0), "cpu_seconds must be above 0"),
        (SandboxLimits(memory_bytes=1), "memory_bytes must be from 16777216 to"),
        (SandboxLimits(processes=2**70), "processes must be from 1 to"),
        (SandboxLimits(seconds="1"), "seconds is not a number"),  # type: ignore[arg-type]
    ],
)
async def test_a_limit_that_cannot_be_kept_is_refused_and_said(
    limits: SandboxLimits, said: str
) -> None:
    async with Sandbox(limits=limits, warm=False) as sandbox:
        result = await sandbox.run("1")
    assert result.status == "refused"
    assert f"bad_sandbox_input: the limit {said}" in result.reason
