"""The levels that lean on others, with stand-ins for the programs that they call.

No container engine and no second machine is at hand: a script named `docker` (or `ssh`) does what
these tests need of one, which is to run the command that it gets. It bounds nothing.
"""

import os
import sys
from pathlib import Path

import pytest
from tests.tools.sandbox.machine import need

from treadle.core.errors import ToolError
from treadle.tools.sandbox import SandboxLevel, SandboxLimits
from treadle.tools.sandbox.execution import Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.elsewhere import (
    RemoteRunner,
    container_runner,
    remote_runner,
    seatbelt_runner,
)
from treadle.tools.sandbox.levels.portable import PortableRunner

FAKE_ENGINE = """\
#!/bin/sh
echo "$@" >> {log}
[ "$1" = rm ] && exit 0
while [ "$1" != image:tag ]; do shift; done
shift 2
exec {python} "$@"
"""


def job(
    code: str | None,
    *,
    results: tuple[str, ...] = (),
    files: dict[str, bytes] | None = None,
    **limits: float,
) -> Job:
    return Job(code, None, files or {}, WantedFiles(results), SandboxLimits(**limits))  # type: ignore[arg-type]


def script(place: Path, text: str) -> Path:
    place.write_text(text)
    place.chmod(0o755)
    return place


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = tmp_path / "log"
    made = script(tmp_path / "docker", FAKE_ENGINE.format(log=log, python=sys.executable))
    monkeypatch.setenv("TREADLE_SANDBOX_IMAGE", "image:tag")
    monkeypatch.setenv("TREADLE_SANDBOX_ENGINE", str(made))
    return log


def portable(inside: PortableRunner) -> PortableRunner:
    """The same, where the workspace of the container is a folder of this machine."""
    return PortableRunner(inside.level, inside.command, None, inside.after)


async def test_a_container_gets_no_network_and_hard_limits(engine: Path) -> None:
    runner = portable(container_runner())
    result = await runner.run(job("print('in')\n6 * 7", memory_bytes=64 << 22))
    assert (result.status, result.value, result.stdout) == ("ok", 42, "in\n"), result
    assert result.level is SandboxLevel.CONTAINER
    started, ended = engine.read_text().split("\nrm ")
    for wanted in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--pull never",
        "--user 65534:65534",
        "--pids-limit",
        f"--memory {64 << 22}",
    ):
        assert wanted in started
    assert ended.startswith("--force treadle-sandbox-")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1 / 0", "error"),
        ("import time; time.sleep(60)", "timeout"),
        ("while True: print('x' * 100)", "killed"),
        ("import os; os.kill(os.getpid(), 9)", "killed"),
        ("raise MemoryError", "memory"),
        ("import os; os.kill(os.getppid(), 9)", None),
    ],
)
async def test_ends_in_a_container(engine: Path, code: str, status: str | None) -> None:
    runner = portable(container_runner())
    if status is None:
        # It shares a uid with its supervisor there: what it can do to that is end itself.
        with pytest.raises(ToolError) as caught:
            await runner.run(job(code))
        assert caught.value.code == "sandbox_failed"
        return
    result = await runner.run(
        job(code, seconds=1.0 if status == "timeout" else 15.0, output_bytes=1000)
    )
    assert result.status == status, result
    assert len(result.stdout) <= 1000


async def test_files_of_a_container(engine: Path) -> None:
    code = "import os\nopen('out', 'wb').write(open('in', 'rb').read() * 2)\nos.symlink('in', 'link')\nopen('other', 'w').close()"
    result = await portable(container_runner()).run(
        job(code, files={"in": b"\xff"}, results=("out", "link"))
    )
    assert dict(result.files) == {"out": b"\xff\xff"}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"exit": "0", "why": ""}',
        '{"exit": 0, "why": "", "stdout": "?"}',
        "[" * 10_000,
    ],
)
async def test_a_forged_answer_is_no_result(tmp_path: Path, answer: str) -> None:
    forged = script(tmp_path / "forged", f"#!/bin/sh\ncat > /dev/null\nprintf '%s' '{answer}'\n")
    runner = PortableRunner(SandboxLevel.CONTAINER, lambda *_: [str(forged)])
    with pytest.raises(ToolError) as caught:
        await runner.run(job("1"))
    assert caught.value.code == "sandbox_failed"


async def test_forged_names_do_not_come_back(tmp_path: Path) -> None:
    answer = '{"exit": 0, "why": "", "stdout": "", "stderr": "", "files": {"../x": "", "/etc/x": "", "a/../../b": "", "ok": "eA=="}}'
    forged = script(tmp_path / "forged", f"#!/bin/sh\ncat > /dev/null\nprintf '%s' '{answer}'\n")
    runner = PortableRunner(SandboxLevel.CONTAINER, lambda *_: [str(forged)])
    result = await runner.run(job("1", results=("**",)))
    assert dict(result.files) == {"ok": b"x"}


async def test_another_machine(tmp_path: Path) -> None:
    need(SandboxLevel.USER)
    treadle = f"{os.path.dirname(sys.executable)}/treadle"
    if not os.path.exists(treadle):
        pytest.skip("treadle is not installed as a command")
    fake = script(tmp_path / "ssh", '#!/bin/sh\nshift 2\neval "$1"\n')
    found = script(tmp_path / "treadle", f'#!/bin/sh\nexec {treadle} "$@"\n')
    program = ("env", f"PATH={found.parent}:{os.environ['PATH']}", str(fake))
    runner = RemoteRunner("elsewhere", program)
    result = await runner.run(job("print('there')\nraise SystemExit(3)", seconds=10.0))
    assert (result.status, result.exit_code, result.stdout) == ("error", 3, "there\n"), result
    assert result.level is SandboxLevel.REMOTE
    with pytest.raises(ToolError):
        await runner.run(job("1", files={"a": b""}))


def test_what_is_not_configured_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TREADLE_SANDBOX_IMAGE", "TREADLE_SANDBOX_ENGINE", "TREADLE_SANDBOX_HOST"):
        monkeypatch.delenv(name, raising=False)
    makers = [container_runner, remote_runner]
    if sys.platform != "darwin":
        makers.append(seatbelt_runner)
    for make in makers:
        with pytest.raises(ToolError) as caught:
            make()
        assert caught.value.code == "sandbox_unavailable"
    monkeypatch.setenv("TREADLE_SANDBOX_HOST", "-oProxyCommand=evil")
    with pytest.raises(ToolError):
        remote_runner()
