"""`treadle engine`: what it refuses, what it starts, and how it ends. No vLLM is needed here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from treadle.core.errors import ConfigError
from treadle.serving.engine_process import SCHEDULER, engine_start

SECONDS = 60.0
"""Generous: means that it does not hang."""

STAND_IN = """
import json, os, signal, subprocess, sys, time
null = subprocess.DEVNULL
print(json.dumps({"arguments": sys.argv[1:], "plugins": os.environ["VLLM_PLUGINS"],
                  "usage": os.environ.get("VLLM_NO_USAGE_STATS")}), flush=True)
ending = "--ends-with" in sys.argv
if ending:
    sys.exit(int(sys.argv[sys.argv.index("--ends-with") + 1]))
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=null, stderr=null)
print(json.dumps({"worker": worker.pid}), flush=True)
def on(number, frame):
    print(json.dumps({"signal": number}), flush=True)
    if "--stubborn" not in sys.argv:
        sys.exit(7)
signal.signal(signal.SIGINT, on)
signal.signal(signal.SIGTERM, on)
print('{"ready": true}', flush=True)
while True:
    time.sleep(0.05)
"""
"""Stands where vLLM's server is; it leaves a worker behind."""


@pytest.fixture
def vllm(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Makes an environment in which a vllm of some version seems to be installed."""

    def make(version: str) -> dict[str, str]:
        site = tmp_path / "site"
        server = site / "vllm" / "entrypoints" / "openai"
        server.mkdir(parents=True)
        for folder in (site / "vllm", site / "vllm" / "entrypoints", server):
            (folder / "__init__.py").touch()
        (server / "api_server.py").write_text(STAND_IN)
        about = site / f"vllm-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(
            "[vllm.general_plugins]\nresolver = m:f\n[vllm.endpoint_plugins]\nother = m:f\n"
        )
        kept = {name: each for name, each in os.environ.items() if not name.startswith("VLLM_")}
        return {**kept, "PYTHONPATH": str(site)}

    return make


class Running:
    """The command, while it runs."""

    def __init__(self, environment: dict[str, str], arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "treadle", "engine", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> dict[str, object]:
        import json

        assert self.process.stdout is not None
        found: dict[str, object] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def make(environment: dict[str, str], *arguments: str) -> Running:
        running.append(Running(environment, arguments))
        return running[-1]

    yield make
    for each in running:
        each.process.kill()
        each.process.communicate()


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_the_server_gets_the_flags_and_our_scheduler(
    vllm: Callable[[str], dict[str, str]], start: Callable[..., Running]
) -> None:
    command = start(vllm("0.32.0"), "org/model", "--port", "1", "--help", "-tp=2", "--ends-with=0",
                    "--ends-with", "0")  # fmt: skip
    seen = command.line()
    assert command.end()[0] == 0
    assert seen["arguments"] == [
        *("--model", "org/model", "--port", "1", "--help", "-tp=2", "--ends-with=0"),
        *("--ends-with", "0", "--scheduler-cls", SCHEDULER),
    ]
    # Ours is switched on, what was loaded before still is, and routes of others stay off.
    assert seen["plugins"] == "resolver,treadle"
    assert seen["usage"] == "1"


def test_the_exit_code_is_the_servers(
    vllm: Callable[[str], dict[str, str]], start: Callable[..., Running]
) -> None:
    assert start(vllm("0.33.1"), "m", "--ends-with", "13").end()[0] == 13


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_handed_on_and_nothing_is_left(
    vllm: Callable[[str], dict[str, str]], start: Callable[..., Running], number: signal.Signals
) -> None:
    command = start(vllm("0.32.0"), "m")
    command.line()
    worker = command.line()["worker"]
    command.line()
    command.process.send_signal(number)
    assert command.line() == {"signal": number}
    assert command.end()[0] == 7
    assert isinstance(worker, int)
    assert is_gone(worker)


def test_a_second_signal_ends_a_server_that_does_not_listen(
    vllm: Callable[[str], dict[str, str]], start: Callable[..., Running]
) -> None:
    command = start(vllm("0.32.0"), "m", "--stubborn")
    command.line()
    worker = command.line()["worker"]
    command.line()
    command.process.send_signal(signal.SIGINT)
    assert command.line() == {"signal": signal.SIGINT}
    command.process.send_signal(signal.SIGINT)
    assert command.end()[0] == 128 + signal.SIGKILL
    assert isinstance(worker, int)
    assert is_gone(worker)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_server_ends_with_a_command_that_is_killed(
    vllm: Callable[[str], dict[str, str]], start: Callable[..., Running]
) -> None:
    command = start(vllm("0.32.0"), "m")
    command.line()
    worker = command.line()["worker"]
    command.line()
    command.process.kill()
    try:
        assert command.line() == {"signal": signal.SIGTERM}
    finally:
        # vLLM's workers notice by themselves that their server is gone; this one does not.
        assert isinstance(worker, int)
        os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize(
    ("version", "arguments", "code"),
    [
        ("0.31.0", ["m"], "engine_version"),
        ("0.34.0", ["m"], "engine_version"),
        ("0.32.0", [], "bad_usage"),
        ("0.32.0", ["--port", "1", "m"], "bad_usage"),
        ("0.32.0", ["./not/there"], "engine_model"),
        ("0.32.0", [" "], "engine_model"),
        ("0.32.0", ["m", "--scheduler-cls", "other.Scheduler"], "engine_flag"),
        ("0.32.0", ["m", "--scheduler_cls=other.Scheduler"], "engine_flag"),
        ("0.32.0", ["m", "--model", "n"], "engine_flag"),
        ("0.32.0", ["m", "--no-enable-prefix-caching"], "engine_flag"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    vllm: Callable[[str], dict[str, str]],
    start: Callable[..., Running],
    version: str,
    arguments: list[str],
    code: str,
) -> None:
    ended, errors = start(vllm(version), *arguments).end()
    assert ended == 2
    assert errors.startswith(f"error: {code}: ")
    assert "Traceback" not in errors


def test_without_vllm_the_extra_is_named() -> None:
    import importlib.util

    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vLLM is installed here")
    with pytest.raises(ConfigError, match=r"pip install 'treadle\[vllm\]'") as found:
        engine_start("m", [])
    assert found.value.code == "missing_extra"
