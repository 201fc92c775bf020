"""That the tests on PostgreSQL are never left out in silence, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.postgres import FOLDER, REQUIRE

SECONDS = 60
"""Generous: means that it does not come or go."""

pytestmark = pytest.mark.timeout(150)  # another pytest, or another server, starts
ROOT = Path(__file__).parent.parent

TEST = "tests/core/database/test_database.py::test_it_can_be_opened_again_after_close"

SERVER = """
import time
from tests.postgres import PostgresServer
server = PostgresServer.start()
print((server._data / "postmaster.pid").read_text().split()[0], server._folder, flush=True)
time.sleep(60)
"""


def run_test(**environment: str) -> tuple[int, str]:
    """Run one test, which is for both databases, where PostgreSQL is not installed."""
    inherited = {name: value for name, value in os.environ.items() if name != REQUIRE}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", TEST],
        cwd=ROOT,
        env={**inherited, FOLDER: "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


def test_without_postgresql_it_is_skipped_and_said() -> None:
    code, said = run_test()
    assert code == 0
    assert "NOT TESTED ON POSTGRESQL" in said
    assert "1 test was skipped" in said
    assert "apt-get install postgresql" in said


def test_where_it_is_required_its_absence_is_a_failure() -> None:
    code, said = run_test(**{REQUIRE: "1"})
    assert code == 1
    assert "apt-get install postgresql" in said


@pytest.mark.usefixtures("postgres_url")
def test_the_server_goes_with_a_killed_session() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        pid, folder = int(said[0]), said[1]
        server = psutil.Process(pid)
        assert folder in " ".join(server.cmdline())
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + SECONDS
    while is_up(server):
        assert time.monotonic() < deadline, "the server outlives its tests"
        time.sleep(0.05)
    shutil.rmtree(folder)


def is_up(server: psutil.Process) -> bool:
    try:
        return server.is_running() and server.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # gone between the two questions
        return False
