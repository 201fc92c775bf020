"""The seccomp filter: which system calls code inside may make, as a program for the kernel."""

from __future__ import annotations

import errno
import platform
import struct

from treadle.core.errors import ToolError
from treadle.tools.sandbox.levels.syscalls import (
    ARCHITECTURES,
    NEWEST_KNOWN,
    REFUSED,
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


def _families(allowed: tuple[int, ...]) -> list[Instruction]:
    tests: list[Instruction] = [
        (EQUAL, len(allowed) - place, 0, family) for place, family in enumerate(allowed)
    ]
    return [(LOAD, 0, 0, ARGUMENTS[0]), *tests, _refuse(errno.EAFNOSUPPORT)]


def program(
    architecture: Architecture, families: tuple[int, ...] = INSIDE_FAMILIES
) -> list[Instruction]:
    """The filter's instructions; `families` are the socket families that may be opened."""
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
    for numbers in REFUSED.values():
        number = numbers[architecture.column]
        if number is not None:
            made += _refused_call(number, errno.EPERM)
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
    return [*made, (RETURN, 0, 0, ALLOW)]


def assembled(instructions: list[Instruction]) -> bytes:
    """The instructions as the kernel takes them (an array of `struct sock_filter`)."""
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def filter_of_this_machine(families: tuple[int, ...] = INSIDE_FAMILIES) -> bytes:
    """The filter for the processor that this runs on.

    Raises ToolError (`sandbox_unavailable`) where there is no table for it.
    """
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise ToolError(
            "sandbox_unavailable",
            f"no system call filter is known for {platform.machine()}: x86_64 and aarch64 have one",
        )
    return assembled(program(architecture, families))
