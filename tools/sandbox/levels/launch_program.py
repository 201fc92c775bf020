"""The first program inside: it takes the limits on and becomes what was asked for.

It runs behind the boundary (namespaces, seccomp, another uid), before any code that is not
trusted. Over descriptor 3 it gets one marshalled request from the host (the same interpreter on
both sides; see `launch.BOOT`), writes the files into the workspace, hands the workspace's
descriptor to the host, and closes it. It imports nothing but built-in modules where it can: each
import is paid by every execution.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import TypedDict

    class Request(TypedDict):
        """What the host sends; see `launch.Launch`."""

        snippet: CodeType
        argv: list[str]
        code: str | None
        files: list[tuple[str, bytes]]
        workspace: str
        writable: list[str]
        readable: list[str]
        listable: list[str]
        landlock: int
        calls: bytes | None
        limits: list[tuple[str, int]]
        environment: dict[str, str]


CONTROL = 3
FILE_RIGHTS = (1 << 13) - 1  # what the first version of Landlock knows
READ_RIGHTS = 1 | 4 | 8  # execute, read a file, read a folder
LIST_RIGHT = 8  # what the mounts show may be listed
CREATE_RULESET, ADD_RULE, RESTRICT = 444, 445, 446  # the same on every architecture
PATH_BENEATH = 1


def write_files(files: "list[tuple[str, bytes]]") -> None:
    """Put the host's files into the workspace, which nothing else has touched yet."""
    for name, content in files:
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(folder, 0o755, exist_ok=True)
        made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        view = memoryview(content)
        while view:
            view = view[os.write(made, view) :]
        os.close(made)


def hand_over(folder: str) -> None:
    """Send the workspace's descriptor: the host reads it once everything in here has ended."""
    import _socket

    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    control = _socket.socket(fileno=CONTROL)
    control.sendmsg(
        [b"w"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, held.to_bytes(4, sys.byteorder))]
    )
    control.close()
    os.close(held)


def limit(limits: "list[tuple[str, int]]") -> None:
    """Set the resource limits, soft and hard."""
    import resource

    for name, value in limits:
        # At the first limit of the processor's time a signal says why; at the second it is over.
        hard = value + 1 if name == "RLIMIT_CPU" and value > 0 else value
        resource.setrlimit(getattr(resource, name), (value, hard))


def restrict(writable: "list[str]", readable: "list[str]", listable: "list[str]") -> int:
    """Landlock: nothing but these places, whatever the mounts say. Returns its version here."""
    import _ctypes

    class Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
        _type_ = "l"

    class Function(_ctypes.CFuncPtr):
        _flags_ = 1 | 8  # the C calling convention, and errno kept
        _restype_ = Long

    # The program itself, which has the C library in it.
    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
    syscall = Function(_ctypes.dlsym(library, "syscall"))

    def call(number: int, *arguments: "int | bytes") -> int:
        filled = [Long(each) if isinstance(each, int) else each for each in arguments]
        result: int = syscall(Long(number), *filled)
        return result

    version = call(CREATE_RULESET, 0, 0, 1)
    if version < 1:
        return 0
    rights = FILE_RIGHTS
    rights |= (1 << 13) if version >= 2 else 0  # refer
    rights |= (1 << 14) if version >= 3 else 0  # truncate
    rights |= (1 << 15) if version >= 5 else 0  # device ioctls
    scoped = 3 if version >= 6 else 0  # abstract sockets and signals stay inside
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    words = (rights, 0, scoped)
    attributes = b"".join(each.to_bytes(8, sys.byteorder) for each in words)[:size]
    ruleset = call(CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        raise SystemExit("Landlock refused its rules")
    granted = ((writable, rights), (readable, READ_RIGHTS), (listable, LIST_RIGHT))
    for places, allowed in granted:
        for place in places:
            try:
                held = os.open(place, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            if not os.path.isdir(place):
                allowed_here = allowed & (1 | 2 | 4 | (1 << 14 if version >= 3 else 0))
            else:
                allowed_here = allowed
            rule = allowed_here.to_bytes(8, sys.byteorder) + held.to_bytes(4, sys.byteorder)
            if call(ADD_RULE, ruleset, PATH_BENEATH, rule, 0) != 0:
                raise SystemExit("Landlock refused a place")
            os.close(held)
    if call(RESTRICT, ruleset, 0) != 0:
        raise SystemExit("Landlock refused to restrict")
    os.close(ruleset)
    return version


def filter_calls(program: bytes) -> None:
    """Set the system call filter for good, where bubblewrap does not."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    held = Program(len(program) // 8, program)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(held), 0, 0) != 0:
        raise SystemExit(f"the system call filter was refused: {os.strerror(ctypes.get_errno())}")


def main(request: "Request") -> None:
    """Take everything on, then become it."""
    os.chdir(request["workspace"])
    write_files(request["files"])
    hand_over(request["workspace"])
    os.closerange(3, 1 << 20)
    version = restrict(request["writable"], request["readable"], request["listable"])
    if version < request["landlock"]:
        raise SystemExit(f"Landlock has version {version} here: {request['landlock']} is needed")
    limit(request["limits"])
    if request["calls"] is not None:
        filter_calls(request["calls"])
    os.umask(0o022)
    os.environ.clear()
    os.environ.update(request["environment"])
    if request["code"] is not None:
        exec(request["snippet"], {"__name__": "snippet", "request": request})  # noqa: S102 - that is what it is for
        return
    argv = request["argv"]
    try:
        os.execvpe(argv[0], argv, request["environment"])  # noqa: S606 - the same
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode(errors="backslashreplace"))
        os._exit(126 if isinstance(error, PermissionError) else 127)


# What executes this program puts it there; who only imports it does nothing.
if "request" in globals():
    main(globals()["request"])
