"""The seccomp filter: which system calls code inside may make, as a program for the kernel."""

from __future__ import annotations

import errno
import platform
import struct

from treadle.core.errors import ToolError
from treadle.tools.sandbox.levels.syscalls import (
    ARCHITECTURES,
    NEWEST_KNOWN,
    OWN_ONLY,
    REFUSED,
    WATCHES,
    Architecture,
)

# Classic BPF (linux/filter.h): load a word, jump if equal / greater or equal / a bit is set, mask,
# return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, MASK, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# struct seccomp_data: the call, the architecture, and the low words of the arguments.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, (16, 24, 32, 40, 48, 56)
X32_BIT = 0x40000000
NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of clone(2)."""
TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: they put words into the mouth of whoever sits at the terminal."""
INSIDE_FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET, AF_INET6: sockets that a network namespace holds in. AF_VSOCK and the like
reach beyond it, or are old and rare code in the kernel."""
PAIR_FAMILIES = (1,)
"""AF_UNIX."""
GROUP_PRIORITY = 1
"""PRIO_PGRP; above it stands PRIO_USER, all processes of a user."""
CORE_LIMIT = 4
"""RLIMIT_CORE, which the warden has set."""

Instruction = tuple[int, int, int, int]


def _refuse(code: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | code)


def _call(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body` for one call only; it may fall through, the number is loaded again then."""
    return [(EQUAL, 0, len(body) + 1, number), *body, (LOAD, 0, 0, NUMBER)]


def _refused_call(number: int, code: int) -> list[Instruction]:
    return [(EQUAL, 0, 1, number), _refuse(code)]


def _device_nodes(argument: int) -> list[Instruction]:
    """Pipes and sockets may be made as files; character and block devices may not."""
    return [
        (LOAD, 0, 0, ARGUMENTS[argument]),
        (MASK, 0, 0, 0xF000),
        (EQUAL, 1, 0, 0x2000),
        (EQUAL, 0, 1, 0x6000),
        _refuse(errno.EPERM),
    ]


def _own_only(argument: int) -> list[Instruction]:
    """Only 0, the caller itself, where another process could stand."""
    return [(LOAD, 0, 0, ARGUMENTS[argument]), (EQUAL, 1, 0, 0), _refuse(errno.EPERM)]


def _priority() -> list[Instruction]:
    """Its own, or its group's."""
    return [
        (LOAD, 0, 0, ARGUMENTS[0]),
        (AT_LEAST, 0, 1, GROUP_PRIORITY + 1),
        _refuse(errno.EPERM),
        *_own_only(1),
    ]


def _core_limit_kept(argument: int, new: int | None) -> list[Instruction]:
    """The limit of core dumps stays, and whoever sets it is told that it worked.

    Where it is 1 the kernel makes no core dump at all; where it is 0 it still starts the host's
    handler of them, as root, with the process's memory as its input (core(5)). new: the argument
    that points to the new limit, where the call may also be for reading.
    """
    kept = [_refuse(0)]
    if new is not None:
        # Both words of the pointer are 0 where the limit is only read.
        low, high = ARGUMENTS[new], ARGUMENTS[new] + 4
        kept = [(LOAD, 0, 0, low), (EQUAL, 0, 2, 0), (LOAD, 0, 0, high), (EQUAL, 1, 0, 0), *kept]
    return [(LOAD, 0, 0, ARGUMENTS[argument]), (EQUAL, 0, len(kept), CORE_LIMIT), *kept]


def _families(allowed: tuple[int, ...]) -> list[Instruction]:
    tests: list[Instruction] = [
        (EQUAL, len(allowed) - place, 0, family) for place, family in enumerate(allowed)
    ]
    return [(LOAD, 0, 0, ARGUMENTS[0]), *tests, _refuse(errno.EAFNOSUPPORT)]


def program(
    architecture: Architecture,
    families: tuple[int, ...] = INSIDE_FAMILIES,
    *,
    shared_user: bool = False,
) -> list[Instruction]:
    """The filter's instructions.

    families: of the sockets that may be opened. shared_user: it runs under a uid that others of
    the host have too: nothing of what each user has little of can be taken.
    """
    made: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture.audit),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    if architecture.x32:
        made += [(AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, KILL)]
    made += [(AT_LEAST, 0, 1, NEWEST_KNOWN + 1), _refuse(errno.ENOSYS)]
    # The C library falls back to clone, whose flags can be looked at, when clone3 is not there.
    made += _refused_call(architecture.clone3, errno.ENOSYS)
    for number in _numbers(REFUSED, architecture):
        made += _refused_call(number, errno.EPERM)
    if shared_user:
        for number in _numbers(WATCHES, architecture):
            made += _refused_call(number, errno.EMFILE)
    for number in _numbers(OWN_ONLY, architecture):
        own = _own_only(0)
        if number == architecture.prlimit:
            own += _core_limit_kept(1, 2)
        made += _call(number, own)
    made += _call(architecture.setrlimit, _core_limit_kept(0, None))
    made += _call(architecture.setpriority, _priority())
    made += _call(
        architecture.clone,
        [(LOAD, 0, 0, ARGUMENTS[0]), (ANY_BIT, 0, 1, NEW_NAMESPACES), _refuse(errno.EPERM)],
    )
    made += _call(
        architecture.ioctl,
        [
            (LOAD, 0, 0, ARGUMENTS[1]),
            (EQUAL, 1, 0, TERMINAL_INPUT[0]),
            (EQUAL, 0, 1, TERMINAL_INPUT[1]),
            _refuse(errno.EPERM),
        ],
    )
    if architecture.mknod is not None:
        made += _call(architecture.mknod, _device_nodes(1))
    made += _call(architecture.mknodat, _device_nodes(2))
    made += _call(architecture.socket, _families(families))
    # A pair leads nowhere else; those of other families have no use but to get at their code.
    made += _call(architecture.socketpair, _families(PAIR_FAMILIES))
    return [*made, (RETURN, 0, 0, ALLOW)]


def _numbers(
    table: dict[str, tuple[int | None, int | None]], architecture: Architecture
) -> list[int]:
    found = (each[architecture.column] for each in table.values())
    return [each for each in found if each is not None]


def assembled(instructions: list[Instruction]) -> bytes:
    """The instructions as the kernel takes them (an array of `struct sock_filter`)."""
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def filter_of_this_machine(
    families: tuple[int, ...] = INSIDE_FAMILIES, *, shared_user: bool = False
) -> bytes:
    """The filter for the processor that this runs on; see `program`.

    Raises ToolError (`sandbox_unavailable`) where there is no table for it.
    """
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise ToolError(
            "sandbox_unavailable",
            f"no system call filter is known for {platform.machine()}: x86_64 and aarch64 have one",
        )
    return assembled(program(architecture, families, shared_user=shared_user))
