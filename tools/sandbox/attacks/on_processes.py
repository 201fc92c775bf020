"""Attacks on the host's processes."""

from __future__ import annotations

from dataclasses import replace

from treadle.tools.sandbox.attacks.attack import MODEST, Attack
from treadle.tools.sandbox.contract import SandboxLevel

_GROUP = "processes"
_BESIDE = "without a sandbox the machine's other processes run beside it"

_OWN_NAMESPACE = r"""
def neighbours():
    # In the host's own namespace nothing is touched: the others there are not ours.
    if tries(os.readlink, "/proc/self/ns/pid") in (None, W["host_pid_namespace"]):
        return []
    return [pid for pid in pids() if pid != os.getpid()]
"""

PROCESSES = (
    Attack(
        "kill",
        _GROUP,
        "end a process of the host",
        r"""
for pid in targets():
    tries(os.kill, pid, signal.SIGKILL)
""",
    ),
    Attack(
        "stop",
        _GROUP,
        "stop a process of the host, also by its group and by a handle",
        r"""
for pid in targets():
    tries(os.kill, pid, signal.SIGSTOP)
    tries(os.killpg, pid, signal.SIGSTOP)
    handle = syscall("pidfd_open", pid, 0)
    if handle >= 0:
        syscall("pidfd_send_signal", handle, int(signal.SIGSTOP), None, 0)
time.sleep(0.1)
""",
    ),
    Attack(
        "signal-host",
        _GROUP,
        "signal the process that runs the sandbox",
        r"""
# SIGURG does nothing by default; whether it may be sent is what counts.
pid = W["host_pid"]
if b"python" in peek(f"/proc/{pid}/cmdline"):
    before = peek(f"/proc/{pid}/comm")
    if before and before.decode().strip() != W["comm"]:
        try:
            os.kill(pid, signal.SIGURG)
            got("the host can be signalled")
        except OSError:
            pass
""",
        no_control="the host runs under another user than an execution without a sandbox",
    ),
    Attack(
        "ptrace",
        _GROUP,
        "trace a process of the host",
        r"""
def trace():
    for pid in targets():
        libc.ptrace.restype = ctypes.c_long
        for request in (0x4206, 16):  # PTRACE_SEIZE, PTRACE_ATTACH
            if syscall("ptrace", request, pid, 0, 0) == 0:
                comm = peek(f"/proc/{pid}/cmdline")
                if W["canary_mark"].encode() in comm:
                    got("the host's process can be traced")
                    os._exit(0)
apart(trace)
""",
        varies=True,
    ),
    Attack(
        "memory-read",
        _GROUP,
        "read the memory of a process of the host (process_vm_readv, /proc/*/mem)",
        r"""
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
for pid in targets():
    text = ctypes.create_string_buffer(64)
    here, there = Part(ctypes.addressof(text), 64), Part(W["canary_address"], 64)
    syscall("process_vm_readv", pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    leak(text.raw)
for pid in targets():
    handle = tries(os.open, f"/proc/{pid}/mem", os.O_RDONLY)
    if handle is not None:
        leak(tries(os.pread, handle, 64, W["canary_address"]))
""",
        varies=True,
    ),
    Attack(
        "memory-write",
        _GROUP,
        "write to the memory of a process of the host (process_vm_writev, /proc/*/mem)",
        r"""
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
for pid in targets():
    text = ctypes.create_string_buffer(b"overwritten", 12)
    here, there = Part(ctypes.addressof(text), 12), Part(W["canary_address"], 12)
    syscall("process_vm_writev", pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    if W["canary_mark"].encode() in peek(f"/proc/{pid}/cmdline"):
        handle = tries(os.open, f"/proc/{pid}/mem", os.O_RDWR)
        if handle is not None:
            tries(os.pwrite, handle, b"overwritten\0", W["canary_address"])
""",
        varies=True,
    ),
    Attack(
        "canary-files",
        _GROUP,
        "take what a process of the host has: its environment, its open files",
        r"""
for pid in targets():
    leak(peek(f"/proc/{pid}/environ"))
    for name in names(f"/proc/{pid}/fd"):
        handle = tries(os.open, f"/proc/{pid}/fd/{name}", os.O_RDONLY | os.O_NONBLOCK)
        if handle is not None:
            leak(tries(os.pread, handle, 64, 0))
    owner = syscall("pidfd_open", pid, 0)
    if owner >= 0:
        handle = syscall("pidfd_getfd", owner, W["canary_descriptor"], 0)
        if handle >= 0:
            leak(tries(os.pread, handle, 64, 0))
""",
        varies=True,
    ),
    Attack(
        "limits-of-others",
        _GROUP,
        "change the limits and the priority of a process of the host",
        r"""
for pid in targets():
    if pid == W["canary_pid"] or W["canary_mark"].encode() in peek(f"/proc/{pid}/cmdline"):
        few = struct.pack("QQ", 16, 16)
        syscall("prlimit64", pid, 7, ctypes.create_string_buffer(few, 16), None)
        tries(os.setpriority, os.PRIO_PROCESS, pid, 19)
""",
    ),
    Attack(
        "process-list",
        _GROUP,
        "see the host's processes and what they were started with",
        r"""
for pid in pids():
    if W["canary_mark"].encode() in peek(f"/proc/{pid}/cmdline"):
        got("the command line of the host's process can be read")
for pid in (W["canary_pid"], W["host_pid"]):
    name = peek(f"/proc/{pid}/comm")
    if name and name.decode("utf-8", "replace").strip() != W["comm"]:
        if W["canary_mark"].encode() in peek(f"/proc/{pid}/cmdline"):
            got("the host's processes can be seen")
""",
        promised=SandboxLevel.USER,
        varies=True,
    ),
    Attack(
        "other-execution",
        _GROUP,
        "end, stop and read the processes of another sandbox",
        r"""
me = os.getpid()
for _ in range(3):
    for pid in pids():
        name = peek(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()
        if pid != me and name == W["victim_comm"]:
            got("the processes of another sandbox can be seen")
            for name in names(f"/proc/{pid}/fd"):
                leak(peek(f"/proc/{pid}/fd/{name}", 64))
            tries(os.kill, pid, signal.SIGKILL)
    time.sleep(0.1)
""",
        victim=True,
    ),
    Attack(
        "parent",
        _GROUP,
        "end the process that started it, and what stands above",
        r"""
tried = []
above = os.getppid()
if above > 1 and above != W["host_pid"]:
    tries(os.kill, above, signal.SIGKILL)
    tried.append(above)
# The first process of a namespace of its own; in the host's, nobody but root may.
if tries(os.readlink, "/proc/self/ns/user") != W["host_namespace"]:
    tries(os.kill, 1, signal.SIGKILL)
    tries(os.kill, 1, signal.SIGTERM)
time.sleep(0.2)
""",
        silenced=True,
        then='print("fine")',
        no_control="without a sandbox its parent is the self-test",
    ),
    Attack(
        "neighbours-stopped",
        _GROUP,
        "stop everything that runs beside it, so that nobody is there to end it",
        _OWN_NAMESPACE
        + r"""
for pid in neighbours():
    tries(os.kill, pid, signal.SIGSTOP)
time.sleep(0.1)
""",
        silenced=True,
        then='print("fine")',
        limits=replace(MODEST, seconds=2.0),
        no_control=_BESIDE,
    ),
    Attack(
        "neighbours-killed",
        _GROUP,
        "end everything that runs beside it",
        _OWN_NAMESPACE
        + r"""
for pid in neighbours():
    tries(os.kill, pid, signal.SIGKILL)
time.sleep(0.1)
""",
        silenced=True,
        then='print("fine")',
        no_control=_BESIDE,
    ),
    Attack(
        "neighbours-limited",
        _GROUP,
        "lower the limits of what runs beside it, which later executions would inherit",
        _OWN_NAMESPACE
        + r"""
import resource
for pid in neighbours():
    for kind in range(16):
        limit = struct.pack("QQ", 7 << 20, 7 << 20)
        if kind not in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            syscall("prlimit64", pid, kind, ctypes.create_string_buffer(limit, 16), None)
    tries(os.setpriority, os.PRIO_PROCESS, pid, 15)
    tries(os.sched_setaffinity, pid, {min(os.sched_getaffinity(0))})
    tries(os.sched_setscheduler, pid, os.SCHED_BATCH, os.sched_param(0))
""",
        then=r"""
import resource
for kind in range(16):
    if resource.getrlimit(kind)[1] == 7 << 20:
        got("a later execution has a limit of an earlier one's:", kind)
if os.getpriority(os.PRIO_PROCESS, 0) >= 15:
    got("a later execution has the priority that an earlier one gave it")
if os.sched_getscheduler(0) != os.SCHED_OTHER:
    got("a later execution is scheduled as an earlier one wanted")
if len(os.sched_getaffinity(0)) < W["cores"]:
    got("a later execution has fewer cores")
""",
        no_control=_BESIDE,
    ),
    Attack(
        "neighbours-read",
        _GROUP,
        "read the memory and use the descriptors of what runs beside it",
        _OWN_NAMESPACE
        + r"""
own = os.getpid()
for pid in neighbours():
    for name in names(f"/proc/{pid}/fd"):
        for flags in (os.O_WRONLY, os.O_RDONLY):
            handle = tries(os.open, f"/proc/{pid}/fd/{name}", flags | os.O_NONBLOCK)
            kind = tries(os.readlink, f"/proc/{pid}/fd/{name}") or ""
            if handle is not None and kind.startswith(("pipe:", "socket:", "/memfd:")):
                got("it can open a descriptor of process", pid, kind.partition(":")[0])
    if tries(os.open, f"/proc/{pid}/mem", os.O_RDONLY) is not None:
        got("it can open the memory of process", pid)
    for handle in range(0, 32):
        owner = syscall("pidfd_open", pid, 0)
        if owner >= 0 and syscall("pidfd_getfd", owner, handle, 0) >= 0:
            got("it can take descriptor", handle, "of process", pid)
""",
        no_control=_BESIDE,
    ),
    Attack(
        "own-group",
        _GROUP,
        "end its process group and session, where the host may be a member",
        r"""
# Signal 0 asks whether it may; the host is asked for by its number, not hit.
if tries(os.getpgid, W["host_pid"]) == os.getpgrp() and W["host_pid"] != os.getpid():
    got("it is in the host's process group")
if tries(os.getsid, W["host_pid"]) == os.getsid(0) and W["host_pid"] != os.getpid():
    got("it is in the host's session")
""",
        no_control="without a sandbox the self-test gives it a session of its own",
    ),
)
"""The attacks on processes."""
