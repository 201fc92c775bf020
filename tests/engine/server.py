"""A real server with the plugin, as `treadle engine` starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

KEY = "a-key-for-tests"
MODEL = "tiny"

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 280.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class EngineServer:
    """A server that is up. log: what it has written so far."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, key: str = KEY) -> httpx.Client:
        """For requests with the server's key, or another one."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0)

    def metrics(self) -> Mapping[str, float]:
        """The samples of /metrics that are about engine 0, by name."""
        text = httpx.get(f"{self.url}/metrics", timeout=60.0).raise_for_status().text
        sample = re.compile(r'^([a-z_:]+)(?:\{[^}]*engine="0"[^}]*\})? ([0-9.e+-]+)$', re.MULTILINE)
        return {name: float(value) for name, value in sample.findall(text)}

    def counts(self) -> Mapping[str, int]:
        """The scheduler's counts."""
        with self.client() as client:
            counts: dict[str, int] = (
                client.get("/treadle/programs").raise_for_status().json()["total"]
            )
        return counts

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end, as Ctrl-C does; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=_STOP_SECONDS)


@contextmanager
def serving(model: Path, folder: Path, *, policy: str) -> Iterator[EngineServer]:
    """A server that runs until the block is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "engine.log"
    # The engine's process is one of its own here, as it is for users.
    environment = {**os.environ, "TREADLE_ENGINE_POLICY": policy, "VLLM_LOGGING_LEVEL": "INFO"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    environment["PYTHONPATH"] = f"{_ROOT / 'src'}{os.pathsep}{_ROOT}"
    flags = [
        *("--host", "127.0.0.1", "--port", str(port), "--api-key", KEY),
        *("--served-model-name", MODEL, "--dtype", "float32", "--block-size", "32"),
        *("--num-gpu-blocks-override", "1100", "--max-model-len", "32768"),
        *("--max-num-seqs", "8", "--enforce-eager", "--enable-prompt-tokens-details"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "treadle", "engine", str(model), *flags],
            env=environment,
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = EngineServer(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_until_up(server)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=_STOP_SECONDS)
            finally:
                process.kill()


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Ask again and again; fails after `seconds`. For what another process does in its own time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds:g} s")
        time.sleep(0.05)


def _wait_until_up(server: EngineServer) -> None:
    def up() -> bool:
        if server.process.poll() is not None:
            text = server.log.read_text("utf-8", "replace")[-3000:]
            raise AssertionError(f"the server ended with {server.process.returncode}:\n{text}")
        try:
            return httpx.get(f"{server.url}/health", timeout=5.0).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(up, _START_SECONDS)
    except AssertionError as error:
        text = server.log.read_text("utf-8", "replace")[-3000:]
        raise AssertionError(f"{error}:\n{text}") from None
