"""What the host sets up for attacks to aim at, and looks at afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.attacks import census
from treadle.tools.sandbox.attacks.canary import Canary
from treadle.tools.sandbox.attacks.listeners import Listeners
from treadle.tools.sandbox.attacks.prelude import SECRET_PREFIX

VARIABLE = "TREADLE_SELFTEST_CANARY"
"""The environment variable of the host that holds the secret while attacks run."""

_IPC_CREAT = 0o1000
_IPC_RMID = 0


class World:
    """Targets that were made for this: files, a process, sockets, shared memory.

    python: the interpreter for the canary. user: the uid that it runs under (None: the caller's).
    """

    def __init__(self, python: str, user: int | None = None) -> None:
        self.secret = SECRET_PREFIX + secrets.token_hex(16)
        self.name = f"treadle-selftest-{secrets.token_hex(4)}"
        # Open to everybody: no permission of the file system is to do the sandbox's work.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.folder.chmod(0o755)
        self.secret_file = self.folder / "secret.txt"
        self.writable = self.folder / "writable.txt"
        self.markers = self.folder / "markers"
        self.listeners = Listeners(self.folder, self.name)
        self.descriptor = -1
        self.nonce = ""
        self._python = python
        self._user = user
        self._canary: Canary | None = None
        self._shared = Path(f"/dev/shm/{self.name}")  # noqa: S108 - where POSIX shared memory is
        self._segment = -1
        self._key = secrets.randbelow(2**30) + 1

    async def __aenter__(self) -> World:
        await self.listeners.open()
        self.markers.mkdir()
        self.markers.chmod(0o777)
        self._write()
        self.descriptor = os.open(self.secret_file, os.O_RDONLY)
        os.set_inheritable(self.descriptor, True)
        os.environ[VARIABLE] = self.secret
        if self._shared.parent.is_dir():
            self._shared.write_text(self.secret)
            self._shared.chmod(0o666)
        self._segment = _shared_segment(self._key, self.secret)
        return self

    async def __aexit__(self, *_: object) -> None:
        os.environ.pop(VARIABLE, None)
        if self.descriptor >= 0:
            os.close(self.descriptor)
        if self._canary is not None:
            self._canary.close()
        await self.listeners.close()
        self._shared.unlink(missing_ok=True)
        if self._segment >= 0:
            _libc().shmctl(self._segment, _IPC_RMID, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def comm(self) -> str:
        """The name that the processes of the present trial give themselves."""
        return f"tsf{self.nonce}"

    def begin(self) -> dict[str, JsonValue]:
        """Make everything whole for the next trial; what its code is told about the host."""
        self.nonce = secrets.token_hex(5)
        self._write()
        for stray in self.markers.iterdir():
            shutil.rmtree(stray) if stray.is_dir() else stray.unlink()
        if self._canary is not None and self._canary.hurt():
            self._canary.close()
            self._canary = None
        if self._canary is None:
            self._canary = Canary(self._python, self.secret, f"{self.name}-canary", self._user)
        return {
            "nonce": self.nonce,
            "comm": self.comm,
            "victim_comm": f"tsv{self.nonce}",
            "folder": str(self.folder),
            "secret_file": str(self.secret_file),
            "writable": str(self.writable),
            "markers": str(self.markers),
            "tcp_port": self.listeners.tcp_port,
            "udp_port": self.listeners.udp_port,
            "socket": str(self.listeners.path),
            "abstract": self.listeners.abstract,
            "canary_pid": self._canary.pid,
            "canary_mark": self._canary.mark,
            "canary_address": self._canary.address,
            "canary_descriptor": self._canary.descriptor,
            "host_pid": os.getpid(),
            "host_namespace": _namespace("user"),
            "host_pid_namespace": _namespace("pid"),
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1,
            "descriptor": self.descriptor,
            "shared": str(self._shared),
            "shared_key": self._key,
            "knock_port": _free_port(),
        }

    def evidence(self) -> list[str]:
        """What has been done to the host in this trial, in words."""
        seen = [f"the host heard from it: {each}" for each in self.listeners.channels(self.nonce)]
        if self._canary is not None and (hurt := self._canary.hurt()):
            seen.append(hurt)
        if not self.secret_file.is_file() or self.secret_file.read_text() != self.secret:
            seen.append("a file of the host was changed")
        if not self.writable.is_file() or self.writable.read_text() != self._writable_text:
            seen.append("a file of the host that everybody may write to was changed")
        seen += [f"it made a file on the host: {each.name!r}" for each in self.markers.iterdir()]
        return seen

    def clean(self) -> None:
        """End what an attack has left running."""
        census.end(self.comm)

    @property
    def _writable_text(self) -> str:
        return f"{self.secret}\n"

    def _write(self) -> None:
        for path, text in ((self.secret_file, self.secret), (self.writable, self._writable_text)):
            if path.is_symlink() or not path.is_file():
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
            path.write_text(text)
        self.secret_file.chmod(0o644)
        self.writable.chmod(0o666)


def _namespace(kind: str) -> str:
    return os.readlink(f"/proc/self/ns/{kind}") if sys.platform == "linux" else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.shmat.restype = ctypes.c_void_p
    return library


def _shared_segment(key: int, secret: str) -> int:
    """A System V segment that everybody may read, or -1 where the system has none."""
    if sys.platform != "linux":
        return -1
    library = _libc()
    segment: int = library.shmget(key, 4096, _IPC_CREAT | 0o666)
    if segment >= 0:
        address = library.shmat(segment, None, 0)
        ctypes.memmove(address, secret.encode(), len(secret))
        library.shmdt(ctypes.c_void_p(address))
    return segment
