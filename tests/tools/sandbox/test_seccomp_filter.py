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
    OWN_ONLY,
    REFUSED,
    WATCHES,
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


@BOTH
@given(pid=st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**32]))
def test_nothing_is_set_for_another_process(architecture: Architecture, pid: int) -> None:
    for name, numbers in OWN_ONLY.items():
        number = numbers[architecture.column]
        assert number is not None
        answer = decide(program(architecture), architecture.audit, number, (pid, 7, 0, 4096))
        # The kernel takes the low 32 bits for the process.
        assert answer == (ALLOW if pid & 0xFFFFFFFF == 0 else EPERM), name


@BOTH
@given(which=st.integers(0, 2**32 - 1) | st.integers(0, 3), who=st.integers(0, 2**32 - 1))
def test_no_priority_but_its_own_and_its_groups(
    architecture: Architecture, which: int, who: int
) -> None:
    made = program(architecture)
    for whom in (0, who):
        answer = decide(made, architecture.audit, architecture.setpriority, (which, whom, 19))
        # PRIO_USER (2) with 0 would be all processes of the caller's user.
        assert answer == (ALLOW if which in (0, 1) and whom == 0 else EPERM)


@BOTH
@given(resource=st.integers(0, 15), pointer=st.integers(0, 2**64 - 1) | st.just(0))
def test_the_limit_of_core_dumps_stays(
    architecture: Architecture, resource: int, pointer: int
) -> None:
    made = program(architecture)
    answer = decide(made, architecture.audit, architecture.prlimit, (0, resource, pointer, 4096))
    assert answer == (ERRNO if resource == 4 and pointer else ALLOW)
    answer = decide(made, architecture.audit, architecture.setrlimit, (resource, pointer))
    assert answer == (ERRNO if resource == 4 else ALLOW)


@BOTH
def test_a_shared_users_watches_are_not_taken(architecture: Architecture) -> None:
    for numbers in WATCHES.values():
        number = numbers[architecture.column]
        if number is not None:
            own, shared = (program(architecture, shared_user=each) for each in (False, True))
            assert decide(own, architecture.audit, number) == ALLOW
            assert decide(shared, architecture.audit, number) == ERRNO | errno.EMFILE


def test_the_kernel_gets_eight_bytes_an_instruction() -> None:
    assert len(assembled(program(X86_64))) == 8 * len(program(X86_64))
    assert len(program(X86_64)) < 4096
    if platform.machine() in ("x86_64", "aarch64"):
        assert len(filter_of_this_machine()) % 8 == 0
