"""A PostgreSQL server of our own for a session of tests, and a fresh database for each of them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg

REQUIRE = "TREADLE_REQUIRE_POSTGRES"
"""The environment variable that makes a missing PostgreSQL a failure; CI sets it."""

FOLDER = "TREADLE_POSTGRES_BIN"
"""The environment variable with the folder of `initdb` and `postgres`, where it is to be a certain
one; otherwise they are looked for."""

START_SECONDS = 60
"""Generous: means that the server does not come up."""

_STOP_SECONDS = 20
_ATTEMPTS = 3
_USER = "treadle"
_SYSTEM_USER = "postgres"

# The server lives as long as the pipe that is its shell's standard input: whatever ends the tests,
# a kill included, it goes with them. Its own standard input is another, so that it does not read.
_SHELL = """
trap '' INT TERM HUP
"$@" </dev/null &
read -r _
kill -INT $!
wait $!
"""


class PostgresMissing(Exception):
    """There is no PostgreSQL here; the message says what to install."""


class PostgresBroken(Exception):
    """There is one, and it does not start; the message has its log."""


def find_binaries() -> Path:
    """The folder that has `initdb` and `postgres`, the newest first. Raises PostgresMissing."""
    for folder in _folders():
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    raise PostgresMissing(
        "there is no PostgreSQL server here: install it (Debian, Ubuntu: apt-get install "
        "postgresql; macOS: brew install postgresql; it need not run), or put the folder that has "
        f"initdb and postgres on the PATH, or into {FOLDER}"
    )


def _folders() -> Iterator[Path]:
    chosen = os.environ.get(FOLDER)
    if chosen:
        yield Path(chosen)
        return
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    config = shutil.which("pg_config")
    if config is not None:
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, timeout=10)
        if said.returncode == 0:
            yield Path(said.stdout.strip())
    installed = [
        each / "bin" for each in Path("/usr/lib/postgresql").glob("*") if each.name.isdecimal()
    ]
    yield from sorted(installed, key=lambda each: int(each.parent.name), reverse=True)


class PostgresServer:
    """A running server; `start` makes one, and `stop` leaves nothing of it."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="treadle-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._made = 0

    @classmethod
    def start(cls) -> Self:
        """Raises PostgresMissing where there is none, PostgresBroken where it does not come up."""
        as_user = _as_user()
        server = cls(find_binaries())
        try:
            server._make_cluster(as_user)
            for _ in range(_ATTEMPTS):
                if server._serve(as_user):
                    return server
            raise PostgresBroken(f"PostgreSQL does not start:\n{server._log()}")
        except BaseException:
            server.stop()
            raise

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The URL of an empty database, which is there for the block."""
        self._made += 1
        name = f"treadle_{self._made}"
        self._execute(f"create database {name}")
        try:
            yield f"postgresql://{_USER}@127.0.0.1:{self._port}/{name}"
        finally:
            # A test kills processes, and their connections take a moment to be missed.
            self._execute(f"drop database {name} with (force)")

    def stop(self) -> None:
        """End the server, and remove its files."""
        process, self._process = self._process, None
        try:
            if process is not None:
                self._end(process)
        finally:
            shutil.rmtree(self._folder)

    # ---- within --------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text("utf-8", "replace")[-4000:] if log.exists() else ""

    def _make_cluster(self, as_user: list[str]) -> None:
        if as_user:
            shutil.chown(self._folder, _SYSTEM_USER)
        command: list[str | Path] = [
            *as_user, self._binaries / "initdb", "--pgdata", self._data, "--username", _USER,
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ]  # fmt: skip
        made = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_SECONDS,
        )
        if made.returncode != 0:
            raise PostgresBroken(f"initdb failed:\n{made.stdout[-4000:]}")

    def _serve(self, as_user: list[str]) -> bool:
        """Whether it came up; it may not, where the free port is not free any more."""
        self._port = _free_port()
        command: list[str | Path] = [
            *as_user, "sh", "-c", _SHELL, "sh", self._binaries / "postgres", "-D", self._data,
            "-p", str(self._port), "-c", "listen_addresses=127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "max_connections=200",
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then end it
            )
        self._process = process
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._answers():
                return True
            if not (self._data / "postmaster.pid").exists() and "shut down" in self._log():
                break
            if process.poll() is not None:
                break
            time.sleep(0.02)
        self._end(process)
        self._process = None
        return False

    def _answers(self) -> bool:
        try:
            self._execute("select 1")
        except psycopg.OperationalError:
            return False
        # Another's server may have got the port.
        pid = self._data / "postmaster.pid"
        return pid.exists() and f"\n{self._port}\n" in pid.read_text()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(
            host="127.0.0.1",
            port=self._port,
            user=_USER,
            dbname="postgres",
            connect_timeout=10,
            autocommit=True,
        ) as connection:
            connection.execute(statement.encode())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        pid_file = self._data / "postmaster.pid"
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            if pid_file.exists():
                os.kill(int(pid_file.read_text().split()[0]), 9)
            process.kill()
            process.wait(_STOP_SECONDS)


def _as_user() -> list[str]:
    """What goes before a command: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    import pwd

    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        raise PostgresMissing(
            f"the tests run as root, PostgreSQL does not, and there is no user '{_SYSTEM_USER}': "
            "install postgresql from your distribution, or run the tests as another user"
        ) from None
    runuser = shutil.which("runuser")
    if runuser is None:
        raise PostgresMissing(
            "the tests run as root, PostgreSQL does not: install util-linux, which has runuser"
        )
    return [runuser, "-u", _SYSTEM_USER, "--"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
