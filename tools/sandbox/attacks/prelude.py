"""What stands before the code of every attack: facts about the host, and a few functions."""

from __future__ import annotations

import json
from collections.abc import Mapping

from treadle.core.json_value import JsonValue

SECRET_PREFIX = "TREADLE-SECRET-"  # noqa: S105 - made up for every self-test
"""How every planted secret begins; attacks print what begins so, and nothing else of the host's."""

_PRELUDE = r'''
import ctypes, errno, json, os, platform, signal, socket, struct, sys, time

W = json.loads(WORLD)
libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":
    libc.prctl(15, W["comm"].encode(), 0, 0, 0)  # PR_SET_NAME: how the host finds us


def say(word, *what):
    print("@" + word, W["nonce"], *what, flush=True)


def got(*what):
    """Tell that something worked which must not."""
    say("got", *what)


def tries(call, *arguments, **named):
    """What `call` gives, or None where the system refuses."""
    try:
        return call(*arguments, **named)
    except (OSError, ValueError, OverflowError):
        return None


def leak(data):
    """Print a planted secret that is in `data`, and nothing else of it."""
    at = (data or b"").find(b"TREADLE-" + b"SECRET-")
    if at >= 0:
        print(data[at : at + 47].decode("ascii", "replace"), flush=True)
    return at >= 0


def peek(path, size=1 << 20):
    """The first bytes of a file; b"" where it cannot be read. Never waits for a writer."""
    handle = tries(os.open, path, os.O_RDONLY | os.O_NONBLOCK)
    if handle is None:
        return b""
    try:
        return tries(os.read, handle, size) or b""
    finally:
        os.close(handle)


def names(folder):
    return tries(os.listdir, folder) or []


def pids():
    return [int(each) for each in names("/proc") if each.isdigit()]


def targets():
    """The canary: by the number that the host has for it, and by its name, as seen from here."""
    found = [pid for pid in pids() if W["canary_mark"].encode() in peek(f"/proc/{pid}/cmdline")]
    return list(dict.fromkeys([W["canary_pid"], *found]))


NUMBERS = {
    "x86_64": dict(
        ptrace=101, chroot=161, mknodat=259, unshare=272, mount=165, pivot_root=155, setns=308,
        bpf=321, perf_event_open=298, add_key=248, request_key=249, keyctl=250,
        io_uring_setup=425, userfaultfd=323, open_by_handle_at=304, name_to_handle_at=303,
        process_vm_readv=310, process_vm_writev=311, pidfd_open=434, pidfd_getfd=438, prlimit64=302,
        open_tree=428, move_mount=429, fsopen=430, fsmount=432, mount_setattr=442, syslog=103,
        reboot=169, init_module=175, finit_module=313, kexec_load=246, swapon=167, sethostname=170,
        iopl=172, clone3=435, fanotify_init=300, shmget=29, shmat=30, shmctl=31, setuid=105,
        setresuid=117, setgroups=116, quotactl=179, acct=163, clone=56, pidfd_send_signal=424,
        kcmp=312, clock_settime=227, memfd_secret=447, getpid=39,
    ),
    "aarch64": dict(
        ptrace=117, chroot=51, mknodat=33, unshare=97, mount=40, pivot_root=41, setns=268,
        bpf=280, perf_event_open=241, add_key=217, request_key=218, keyctl=219,
        io_uring_setup=425, userfaultfd=282, open_by_handle_at=265, name_to_handle_at=264,
        process_vm_readv=270, process_vm_writev=271, pidfd_open=434, pidfd_getfd=438, prlimit64=261,
        open_tree=428, move_mount=429, fsopen=430, fsmount=432, mount_setattr=442, syslog=116,
        reboot=142, init_module=105, finit_module=273, kexec_load=104, swapon=224, sethostname=161,
        clone3=435, fanotify_init=262, shmget=194, shmat=196, shmctl=195, setuid=146,
        setresuid=147, setgroups=159, quotactl=60, acct=89, clone=220, pidfd_send_signal=424,
        kcmp=272, clock_settime=112, memfd_secret=447, getpid=172,
    ),
}.get(platform.machine(), {})


def syscall(name, *arguments):
    """The result of a raw system call; minus the error number where it fails."""
    number = name if isinstance(name, int) else NUMBERS.get(name)
    if number is None:
        return -errno.ENOSYS
    libc.syscall.restype = ctypes.c_long
    made = [
        ctypes.c_long(each) if isinstance(each, int) else each for each in arguments
    ]
    result = libc.syscall(ctypes.c_long(number), *made)
    return -ctypes.get_errno() if result == -1 else result


def apart(call, seconds=3.0):
    """Run `call` in a child: a filter that kills, or a call that changes us, ends only that."""
    sys.stdout.flush()
    child = tries(os.fork)
    if child is None:
        return None
    if child == 0:
        try:
            signal.alarm(max(1, int(seconds)))
            call()
            sys.stdout.flush()
        except BaseException:
            os._exit(9)
        os._exit(0)
    return os.waitpid(child, 0)[1]


if tries(os.geteuid) == 0 and peek("/proc/self/uid_map").split() == [b"0", b"0", b"4294967295"]:
    got("this is the host's own root user; nothing more is tried")
    os._exit(0)
say("began")
'''

_POSTLUDE = '\nsay("ended")\n'


def whole_code(code: str, facts: Mapping[str, JsonValue], *, ending: bool = True) -> str:
    """`code` with the prelude before it and, with `ending`, the word after it that it got there."""
    last = _POSTLUDE if ending else ""
    return f"WORLD = {json.dumps(facts)!r}\n{_PRELUDE}\n{code}\n{last}"
