"""The bubblewrap command line: what the namespaces of an execution look like from inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from treadle.tools.sandbox.contract import SandboxLimits
from treadle.tools.sandbox.levels.interpreter import Interpreter

PROGRAM = Path("/usr/bin/bwrap")
WORKSPACE = "/workspace"
INSIDE_ID = 1000
"""The uid and gid that code inside sees itself as."""
TOP_LINKS = ("bin", "sbin", "lib", "lib32", "lib64")
HOST_FILES = ("/etc/ld.so.cache", "/etc/alternatives")
"""Parts of the host's /etc that programs of /usr need and that hold no secrets."""
MADE_FILES = {
    "/etc/passwd": f"sandbox:x:{INSIDE_ID}:{INSIDE_ID}:sandbox:{WORKSPACE}:/bin/sh\n",
    "/etc/group": f"sandbox:x:{INSIDE_ID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
SHARED_MEMORY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shown:
    """A place of the host as it appears inside. source: where bubblewrap can reach it."""

    source: str
    target: str
    writable: bool = False


def bubblewrap_argv(
    limits: SandboxLimits,
    shown: Sequence[Shown],
    *,
    seccomp: int,
    made: Mapping[str, int],
    command: Sequence[str],
    workspace_mode: str = "0700",
) -> list[str]:
    """The command line. seccomp, made: the descriptors of the filter and of files, to be read.

    workspace_mode: in octal; what nobody else can reach may be readable for a host of another uid.
    """
    argv = [
        str(PROGRAM), "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session",
        "--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--hostname", "sandbox",
        "--cap-drop", "ALL", "--clearenv", "--ro-bind", "/usr", "/usr",
    ]  # fmt: skip
    argv += _top_links()
    for path, descriptor in made.items():
        argv += ["--perms", "0444", "--ro-bind-data", str(descriptor), path]
    for path in HOST_FILES:
        argv += ["--ro-bind-try", path, path]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for place, size in (
        (WORKSPACE, limits.disk_bytes),
        ("/tmp", limits.disk_bytes),  # noqa: S108 - its own one, inside
        ("/dev/shm", SHARED_MEMORY_BYTES),  # noqa: S108 - the same
    ):
        mode = workspace_mode if place == WORKSPACE else "0700"
        argv += ["--perms", mode, "--size", str(max(size, 4096)), "--tmpfs", place]
    for each in shown:
        argv += ["--bind" if each.writable else "--ro-bind", each.source, each.target]
    for folder in Interpreter.current().packages:
        argv += ["--size", "4096", "--tmpfs", str(folder), "--remount-ro", str(folder)]
    # The roots of what bubblewrap makes are memory too, without a size of their own.
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE]
    argv += ["--seccomp", str(seccomp), "--", *command]
    return argv


def _top_links() -> list[str]:
    """/bin, /lib and the like, as the host has them: links into /usr, or folders."""
    argv: list[str] = []
    for name in TOP_LINKS:
        place = Path("/", name)
        if place.is_symlink():
            argv += ["--symlink", f"usr/{name}", str(place)]
        elif place.is_dir():
            argv += ["--ro-bind", str(place), str(place)]
    return argv
