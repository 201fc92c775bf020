"""The system call filter, run by a small interpreter of its instructions."""

import errno
import platform
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.sandbox.levels.seccomp_filter import (
    ALLOW,
    ERRNO,
    INSIDE_FAMILIES,
    KILL,
    Instruction,
    assembled,
    filter_of_this_machine,
    program,
)
from treadle.tools.sandbox.levels.syscalls import (
    AARCH64,
    NEWEST_KNOWN,
    REFUSED,
    X86_64,
    Architecture,
)

BOTH = pytest.mark.parametrize("architecture", [X86_64, AARCH64], ids=lambda each: each.name)
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS


def decide(
    instructions: list[Instruction], audit: int, number: int, arguments: tuple[int, ...] = ()
) -> int:
    """What the kernel would answer."""
    filled = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, audit, 0, *filled)
    place = accumulator = 0
    for _ in range(10_000):
        code, yes, no, operand = instructions[place]
        place += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x06:
            return operand
        else:
            tests = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }
            place += yes if tests[code] else no
    raise AssertionError("the filter does not end")


@BOTH
def test_every_refused_call_is_refused(architecture: Architecture) -> None:
    made = program(architecture)
    for name, numbers in REFUSED.items():
        number = numbers[architecture.column]
        if number is not None:
            assert decide(made, architecture.audit, number) == EPERM, name


@BOTH
@given(number=st.integers(0, 2**32 - 1))
def test_only_what_is_known_passes(architecture: Architecture, number: int) -> None:
    answer = decide(program(architecture), architecture.audit, number)
    refused = {each[architecture.column] for each in REFUSED.values()}
    if architecture.x32 and number >= 0x40000000:
        assert answer == KILL
    elif number > NEWEST_KNOWN or number == architecture.clone3:
        assert answer == ENOSYS
    elif number == architecture.socket:
        assert answer == ERRNO | errno.EAFNOSUPPORT
    else:
        assert answer == (EPERM if number in refused else ALLOW)


@BOTH
@given(audit=st.integers(0, 2**32 - 1), number=st.integers(0, 500))
def test_other_architectures_are_killed(
    architecture: Architecture, audit: int, number: int
) -> None:
    if audit != architecture.audit:
        assert decide(program(architecture), audit, number) == KILL


@BOTH
@given(flags=st.integers(0, 2**64 - 1))
def test_clone_makes_no_namespace(architecture: Architecture, flags: int) -> None:
    answer = decide(program(architecture), architecture.audit, architecture.clone, (flags,))
    assert answer == (EPERM if flags & 0x7E020000 else ALLOW)


@BOTH
@given(request=st.integers(0, 2**64 - 1) | st.sampled_from([0x5412, 0x541C, 0x1_0000_5412]))
def test_nobody_types_into_the_terminal(architecture: Architecture, request: int) -> None:
    answer = decide(program(architecture), architecture.audit, architecture.ioctl, (1, request))
    # The kernel looks at the low 32 bits only.
    assert answer == (EPERM if request & 0xFFFFFFFF in (0x5412, 0x541C) else ALLOW)


@BOTH
@given(mode=st.integers(0, 0o177777))
def test_no_devices_are_made(architecture: Architecture, mode: int) -> None:
    made = program(architecture)
    wanted = EPERM if mode & 0o170000 in (0o020000, 0o060000) else ALLOW
    assert decide(made, architecture.audit, architecture.mknodat, (0, 0, mode)) == wanted
    if architecture.mknod is not None:
        assert decide(made, architecture.audit, architecture.mknod, (0, mode)) == wanted


@BOTH
@pytest.mark.parametrize("families", [INSIDE_FAMILIES, ()])
@given(family=st.integers(0, 2**32 - 1) | st.integers(0, 50))
def test_socket_families(
    architecture: Architecture, families: tuple[int, ...], family: int
) -> None:
    answer = decide(
        program(architecture, families), architecture.audit, architecture.socket, (family,)
    )
    assert answer == (ALLOW if family in families else ERRNO | errno.EAFNOSUPPORT)


def test_the_kernel_gets_eight_bytes_an_instruction() -> None:
    assert len(assembled(program(X86_64))) == 8 * len(program(X86_64))
    assert len(program(X86_64)) < 4096
    if platform.machine() in ("x86_64", "aarch64"):
        assert len(filter_of_this_machine()) % 8 == 0
