"""Attacks on what a machine has only so much of. Each stops by itself, far from harming one."""

from __future__ import annotations

from dataclasses import replace

from treadle.tools.sandbox.attacks.attack import MEBIBYTE, MODEST, Attack
from treadle.tools.sandbox.attacks.trial import Trial
from treadle.tools.sandbox.contract import SandboxLevel

_GROUP = "resources"
_SMALL = replace(MODEST, memory_bytes=128 * MEBIBYTE)


def _too_many(trial: Trial) -> str:
    limit = trial.attack.limits.processes
    peak = max(trial.peak.processes, trial.peak.threads)
    # Those who run it may count as well: an init, a supervisor.
    return f"{peak} processes or threads where {limit} are the limit" if peak > limit + 8 else ""


def _too_much_memory(trial: Trial) -> str:
    limit = trial.attack.limits.memory_bytes
    peak = trial.peak.resident_bytes
    # What forked processes share counts for each of them here.
    if peak > limit * 1.6:
        return f"{peak // MEBIBYTE} MiB where {limit // MEBIBYTE} are the limit"
    return ""


def _too_much_output(trial: Trial) -> str:
    limit = trial.attack.limits.output_bytes
    if trial.result is None:
        return ""
    most = max(len(trial.result.stdout), len(trial.result.stderr))
    return f"{most} characters came out where {limit} bytes are the limit" if most > limit else ""


_HELD = r"""
# Children stay until the end of this one closes the pipe: all of them are there at once.
gone, going = os.pipe()
children = 0
def hold():
    os.close(going)
    os.read(gone, 1)
    os._exit(0)
"""

RESOURCES = (
    Attack(
        "fork-flood",
        _GROUP,
        "start more processes than allowed",
        _HELD
        + r"""
for _ in range(120):
    child = tries(os.fork)
    if child == 0:
        hold()
    children += child is not None
if children > 40:
    got(children, "processes were started where 32 are the limit")
time.sleep(0.3)
""",
        limits=replace(MODEST, seconds=4),
        watched=True,
        breached=_too_many,
    ),
    Attack(
        "fork-relay",
        _GROUP,
        "fork all the time, each process going at once, to outrun whoever kills",
        r"""
start = time.monotonic()
child = tries(os.fork)
if child == 0:
    tries(os.setsid)
    while time.monotonic() < start + 5:
        child = tries(os.fork)
        if child:
            os._exit(0)
        # Fast first, to get away; slower then, to be seen.
        time.sleep(0.001 if time.monotonic() < start + 0.6 else 0.03)
    os._exit(0)
""",
        limits=replace(MODEST, seconds=3),
        watched=True,
        elusive=True,
        breached=_too_many,
    ),
    Attack(
        "thread-flood",
        _GROUP,
        "start more threads than allowed",
        r"""
import threading
stop = threading.Event()
threading.stack_size(256 * 1024)
count = 0
try:
    for _ in range(120):
        threading.Thread(target=stop.wait, args=(6,), daemon=True).start()
        count += 1
except RuntimeError:
    pass
if count > 40:
    got(count, "threads were started where 32 are the limit")
time.sleep(0.3)
stop.set()
""",
        watched=True,
        breached=_too_many,
    ),
    Attack(
        "memory",
        _GROUP,
        "take more memory than allowed, in one process",
        r"""
blocks = []
try:
    for count in range(1, 16):
        blocks.append(b"x" * (20 << 20))
        time.sleep(0.02)
except MemoryError:
    pass
taken = 20 * len(blocks)
if taken > 160:
    got(taken, "MiB were taken where 128 are the limit")
time.sleep(0.2)
""",
        limits=_SMALL,
        watched=True,
        breached=_too_much_memory,
    ),
    Attack(
        "memory-of-many",
        _GROUP,
        "take more memory than allowed, in many processes that each stay below",
        r"""
import select
ready, done = os.pipe()
gone, going = os.pipe()
for _ in range(8):
    if tries(os.fork) == 0:
        os.close(going)
        try:
            block = b"x" * (45 << 20)
            os.write(done, b"x")
            os.read(gone, 1)
            say("kept", len(block))
        except MemoryError:
            pass
        os._exit(0)
# Until all of them have theirs, or are not getting it.
kept, end = 0, time.monotonic() + 12
while kept < 8 and time.monotonic() < end:
    if select.select([ready], [], [], 0.5)[0]:
        kept += len(os.read(ready, 8))
os.close(going)
for _ in range(8):
    tries(os.wait)
""",
        # A machine that is short of memory itself takes its time to hand it out.
        limits=replace(_SMALL, seconds=20, cpu_seconds=20),
        watched=True,
        breached=lambda trial: _kept_by_many(trial),
        promised=SandboxLevel.STRICT,
    ),
    Attack(
        "memory-without-a-process",
        _GROUP,
        "take memory that no process has: nameless files, pipes, shared segments",
        r"""
held = 0
kept = []
for _ in range(40):
    handle = tries(os.memfd_create, "x")
    if handle is None or held > 240 << 20:
        break
    kept.append(handle)
    for _ in range(7):
        held += tries(os.write, handle, bytes(1 << 20)) or 0
libc.shmat.restype = ctypes.c_void_p
for _ in range(4):
    segment = syscall("shmget", 0, 20 << 20, 0o1600)
    if segment >= 0:
        address = libc.shmat(int(segment), None, 0)
        if address not in (None, ctypes.c_void_p(-1).value):
            ctypes.memset(address, 1, 20 << 20)
            held += 20 << 20
        syscall("shmctl", int(segment), 0, None)
if held > 160 << 20:
    got(held >> 20, "MiB were held where 128 are the limit")
""",
        limits=_SMALL,
        promised=SandboxLevel.STRICT,
    ),
    Attack(
        "file-size",
        _GROUP,
        "write one file that is larger than allowed",
        r"""
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
written = 0
handle = tries(os.open, "large", os.O_CREAT | os.O_WRONLY)
for _ in range(24):
    step = tries(os.write, handle, bytes(1 << 20))
    if not step:
        break
    written += step
if written > 9 << 20:
    got(written >> 20, "MiB in one file where 8 are the limit")
""",
    ),
    Attack(
        "disk",
        _GROUP,
        "write more than allowed, in many files, wherever it may",
        r"""
import tempfile
written = 0
folders = [".", tempfile.gettempdir(), "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/",
           os.path.expanduser("~")]
for folder in dict.fromkeys(map(os.path.realpath, folders)):
    for number in range(12):
        if written > 72 << 20:
            break
        path = os.path.join(folder, f"{W['comm']}-{number}")
        handle = tries(os.open, path, os.O_CREAT | os.O_WRONLY)
        if handle is None:
            break
        for _ in range(4):
            written += tries(os.write, handle, bytes(1 << 20)) or 0
        os.close(handle)
# One for the workspace, one for /tmp, and some for shared memory.
if written > 52 << 20:
    got(written >> 20, "MiB on disk where 16 are the limit of a folder")
for folder in folders:
    for number in range(12):
        tries(os.unlink, os.path.join(folder, f"{W['comm']}-{number}"))
""",
        promised=SandboxLevel.USER,
    ),
    Attack(
        "inodes",
        _GROUP,
        "make more files than a disk has room for the names of",
        r"""
made = 0
for number in range(60_000):
    handle = tries(os.open, f"n{number}", os.O_CREAT | os.O_WRONLY)
    if handle is None:
        break
    os.close(handle)
    made += 1
if made == 60_000:
    got(made, "files were made")
""",
        # What the kernel remembers of 60,000 files is more than this.
        limits=replace(MODEST, memory_bytes=40 * MEBIBYTE),
        promised=SandboxLevel.STRICT,
        no_control="without a sandbox it makes 60,000 files",
    ),
    Attack(
        "output",
        _GROUP,
        "write without end to stdout and stderr",
        r"""
block = b"x" * 65536
for _ in range(160):
    for handle in (1, 2):
        tries(os.write, handle, block)
""",
        breached=_too_much_output,
    ),
    Attack(
        "output-from-many",
        _GROUP,
        "write without end, from children that stay when the first process is gone",
        r"""
for _ in range(6):
    if tries(os.fork) == 0:
        tries(os.setsid)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            tries(os.write, 1, b"x" * 65536)
            tries(os.write, 2, b"x" * 65536)
            time.sleep(0.02)
        os._exit(0)
""",
        limits=replace(MODEST, seconds=3),
        breached=_too_much_output,
    ),
    Attack(
        "descriptors",
        _GROUP,
        "open more files than allowed",
        r"""
import resource
tries(resource.setrlimit, resource.RLIMIT_NOFILE, (1024, 1024))
held = []
for _ in range(512):
    handle = tries(os.open, "/dev/null", os.O_RDONLY)
    if handle is None:
        break
    held.append(handle)
if len(held) > 64:
    got(len(held), "files are open where 64 are the limit")
""",
    ),
    Attack(
        "machine-wide-tables",
        _GROUP,
        "fill tables that all users of the machine share (asynchronous input and output)",
        r"""
setup = {"x86_64": 206, "aarch64": 0}.get(platform.machine())
most = int(peek("/proc/sys/fs/aio-max-nr") or 65536)
if setup is not None and most:
    context = ctypes.c_ulong(0)
    # Half of what there is, for a moment: the host's own programs get by on the rest.
    if syscall(setup, most // 2, ctypes.byref(context)) >= 0:
        got("it took half of the machine's asynchronous operations:", most // 2)
""",
        no_control="other programs of the machine may need them",
    ),
    Attack(
        "watches",
        _GROUP,
        "use up the inotify instances of the host's user",
        r"""
for _ in range(8):
    if tries(os.fork) == 0:
        held = [libc.inotify_init() for _ in range(48)]
        time.sleep(0.8)
        os._exit(0)
time.sleep(1.0)
""",
        watched=True,
        no_control="it would keep other programs of the user from watching files",
    ),
)
"""The attacks on resources."""


def _kept_by_many(trial: Trial) -> str:
    kept = 0 if trial.result is None else trial.result.stdout.count(f"@kept {trial.nonce}")
    if kept * 45 > 180:
        return f"{kept} processes kept 45 MiB each where 128 are the limit for all"
    return ""
