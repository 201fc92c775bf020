"""Warm workers: what a snippet gives back, how it ends, what holds it."""

import asyncio

import pytest
from tests.tools.sandbox.warm.scripted_guest import ScriptedBoundary

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.warm import WarmPool


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("6 * 7", 42),
        ("x = 3", None),
        ("x = 3\nx", 3),
        ("{'a': [1, None, True, 2.5], 'b': 'ü'}", {"a": [1, None, True, 2.5], "b": "ü"}),
        ("None", None),
        ("", None),
        ("'docstring'", "docstring"),
        ("from __future__ import annotations\ndef f(x: Later): ...\nf.__annotations__", {"x": "Later"}),
        ("__name__", "__main__"),
        ("import __main__\nx = 1\n__main__.x", 1),
        ("import sys\nsorted(m for m in sys.modules if 'treadle' in m)", []),
    ],
)  # fmt: skip
async def test_the_value_of_the_last_expression_comes_back(pool, code, value):
    result = await pool.run(code)
    assert (result.status, result.exit_code, result.value) == ("ok", 0, value)
    assert result.reason == ""


@pytest.mark.parametrize("code", ["{1, 2}", "float('nan')", "object()", "b'x'", "'\\ud800'"])
async def test_a_value_that_is_no_json_is_named_in_words(pool, code):
    result = await pool.run(code)
    assert (result.status, result.value) == ("ok", None)
    assert "no JSON" in result.reason


async def test_a_value_that_is_too_large_or_too_deep_is_left_out(pool):
    large = await pool.run("'x' * 1000", limits=SandboxLimits(output_bytes=500))
    assert (large.status, large.value) == ("ok", None)
    assert "500 bytes" in large.reason
    deep = await pool.run("a = []\nfor _ in range(200): a = [a]\na")
    assert (deep.status, deep.value) == ("ok", None)
    assert "no JSON" in deep.reason


async def test_output_goes_by_stream(pool):
    result = await pool.run("import sys\nprint('out', 'ü')\nprint('err', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("out ü\n", "err\n")


async def test_an_exception_prints_the_lines_of_the_snippet_only(pool):
    result = await pool.run("import json\ndef f():\n    json.loads('{')\nf()")
    assert (result.status, result.exit_code) == ("error", 1)
    files = [line for line in result.stderr.splitlines() if line.startswith("  File")]
    assert files == ['  File "<code>", line 4, in <module>', '  File "<code>", line 3, in f']
    assert "json.decoder.JSONDecodeError" in result.stderr
    assert "JSONDecodeError" in result.reason


async def test_a_syntax_error_names_its_line(pool):
    result = await pool.run("x = 1\ndef f(:\n")
    assert (result.status, result.exit_code) == ("error", 1)
    assert 'File "<code>", line 2' in result.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "status"),
    [
        ("import sys; sys.exit()", 0, "ok"),
        ("import sys; sys.exit(7)", 7, "error"),
        ("exit(3)", 3, "error"),
        ("import os; os._exit(9)", 9, "error"),
        ("raise SystemExit('bye')", 1, "error"),
    ],
)
async def test_exit_codes_are_respected(pool, code, exit_code, status):
    result = await pool.run(code)
    assert (result.status, result.exit_code) == (status, exit_code)


async def test_threads_and_exit_handlers_are_waited_for(pool):
    result = await pool.run(
        "import atexit, threading\natexit.register(print, 'at exit')\n"
        "threading.Timer(0.05, lambda: print('thread')).start()"
    )
    assert (result.status, result.stdout) == ("ok", "thread\nat exit\n")


async def test_files_go_in_and_come_out(pool):
    result = await pool.run(
        "import helper, os\nopen('out/a.txt', 'w').write(helper.x)\nos.symlink('/etc/passwd', 'out/b')",
        files={"helper.py": b"x = 'from a file'", "out/there.txt": b""},
        results=WantedFiles(["out/*"]),
    )
    assert result.status == "ok"
    assert result.files == {"out/a.txt": b"from a file", "out/there.txt": b""}
    assert "out/b" in result.reason
    # The workspace was wiped after the files were read.
    assert (await pool.run("import os; os.listdir('.')")).value == []


async def test_a_file_that_cannot_be_written_is_refused(pool):
    tight = SandboxLimits(file_bytes=4096)
    result = await pool.run("1", files={"large": b"x" * 10_000}, limits=tight)
    assert result.status == "refused"
    assert "large" in result.reason


async def test_time_is_bounded_and_partial_output_kept(pool, brief):
    result = await pool.run("print('before')\nwhile True: pass", limits=brief)
    assert (result.status, result.exit_code, result.stdout) == ("timeout", None, "before\n")
    ignoring = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    assert (await pool.run(ignoring, limits=brief)).status == "timeout"


@pytest.mark.timeout(90)  # a second of the processor may take many on a busy machine
async def test_processor_time_is_bounded(pool):
    limits = SandboxLimits(cpu_seconds=1, seconds=60)
    result = await pool.run("while True: pass", limits=limits)
    assert result.status == "timeout"
    assert "CPU" in result.reason


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output_is_bounded(pool, stream):
    limits = SandboxLimits(output_bytes=1000)
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 100)"
    result = await pool.run(code, limits=limits)
    assert result.status == "killed"
    assert stream in result.reason
    assert result.truncated
    assert len(getattr(result, stream)) == 1000


async def test_memory_is_bounded_and_the_next_execution_unharmed(pool):
    limits = SandboxLimits(memory_bytes=128 * 1024 * 1024)
    result = await pool.run("x = bytearray(1 << 30)\nlen(x)", limits=limits)
    assert (result.status, result.value) == ("memory", None)
    assert (await pool.run("1", limits=limits)).value == 1


async def test_a_memory_error_is_the_status_memory(pool):
    assert (await pool.run("raise MemoryError")).status == "memory"


async def test_files_and_descriptors_are_bounded(pool):
    limits = SandboxLimits(file_bytes=10_000, open_files=32)
    large = await pool.run("open('f', 'wb').write(b'x' * 20_000)", limits=limits)
    assert "OSError" in large.reason
    many = await pool.run("f = [open('/dev/null') for _ in range(100)]", limits=limits)
    assert "OSError" in many.reason


async def test_the_limits_of_one_execution_are_not_those_of_the_next(pool):
    code = "import resource; resource.getrlimit(resource.RLIMIT_NOFILE)"
    few = await pool.run(code, limits=SandboxLimits(open_files=100))
    more = await pool.run(code, limits=SandboxLimits(open_files=200))
    assert (few.value, more.value) == ([100, 100], [200, 200])


async def test_executions_wait_for_a_worker_and_all_get_one(pool):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pool.run(f"{number} * 2")) for number in range(8)]
    assert [task.result().value for task in tasks] == [number * 2 for number in range(8)]


async def test_a_queue_that_does_not_move_is_a_coded_error(boundary, brief):
    pool = WarmPool(boundary, size=1, queue_seconds=0.2)
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(pool.run("import time; time.sleep(60)", limits=brief))
        await asyncio.sleep(0)
        with pytest.raises(ToolError) as caught:
            await pool.run("1", limits=brief)
    assert caught.value.code == "sandbox_busy"
    assert slow.result().status == "timeout"
    await pool.close()


async def test_a_cancelled_execution_takes_its_worker_with_it(boundary):
    pool = WarmPool(boundary, size=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await pool.run("import time; time.sleep(60)")
    assert (await pool.run("1")).value == 1
    await pool.close()


async def test_a_closed_pool_is_a_coded_error(boundary):
    pool = WarmPool(boundary)
    await pool.close()
    with pytest.raises(ToolError) as caught:
        await pool.run("1")
    assert caught.value.code == "sandbox_unavailable"


def test_a_level_without_namespaces_has_no_warm_workers():
    class Weak(ScriptedBoundary):
        level = SandboxLevel.CONFINED

    with pytest.raises(ToolError) as caught:
        WarmPool(Weak())
    assert caught.value.code == "sandbox_unavailable"


def test_workers_outlive_an_event_loop(boundary):
    pool = WarmPool(boundary, size=1)

    async def both():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pool.run("hash('one interpreter')")) for _ in range(2)]
        return {str(task.result().value) for task in tasks}

    first, second = asyncio.run(both()), asyncio.run(both())
    assert first == second
    assert len(first) == 1
    asyncio.run(pool.close())
