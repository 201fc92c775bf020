"""Attacks by way of system calls that no ordinary program needs.

All arguments are such that a call which is let through changes nothing of the machine.
"""

from __future__ import annotations

from treadle.tools.sandbox.attacks.attack import Attack

_GROUP = "kernel"
_NEEDS_ROOT = "the kernel keeps it for root anyway"

KERNEL = (
    Attack(
        "user-namespace",
        _GROUP,
        "become root in a user namespace of its own (unshare, clone, clone3)",
        r"""
def by_unshare():
    if syscall("unshare", 0x10000000) == 0:
        got("unshare makes a user namespace")

def by_clone():
    child = syscall("clone", 0x10000000 | int(signal.SIGCHLD), 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
        got("clone makes a user namespace")

def by_clone3():
    arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, int(signal.SIGCHLD))
    child = syscall("clone3", ctypes.byref(arguments), 88)
    if child == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
        got("clone3 makes a user namespace")

for call in (by_unshare, by_clone, by_clone3):
    apart(call)
""",
        varies=True,
    ),
    Attack(
        "other-namespaces",
        _GROUP,
        "make and enter other namespaces (unshare, setns)",
        r"""
def make():
    for name, flag in (("mount", 0x20000), ("ipc", 0x8000000), ("uts", 0x4000000),
                       ("network", 0x40000000), ("pid", 0x20000000), ("cgroup", 0x2000000),
                       ("time", 0x80)):
        if syscall("unshare", flag) == 0:
            got("it makes a namespace:", name)
def enter():
    for pid in ["1", *targets()]:
        for name in names(f"/proc/{pid}/ns"):
            handle = tries(os.open, f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            if handle is not None and syscall("setns", handle, 0) == 0:
                got("it enters the namespace", name, "of", pid)
apart(make)
apart(enter)
""",
        no_control=_NEEDS_ROOT,
    ),
    Attack(
        "mount",
        _GROUP,
        "mount, with and without a user namespace of its own, by the old calls and the new",
        r"""
def old():
    tries(os.mkdir, "place")
    if syscall("mount", b"none", os.path.abspath("place").encode(), b"tmpfs", 0, None) == 0:
        got("mount works")

def new():
    context = syscall("fsopen", b"tmpfs", 0)
    if context >= 0:
        got("fsopen works")
    tree = syscall("open_tree", -100, b"/usr", 1)
    if tree >= 0:
        got("open_tree copies a mount")

def writable():
    if syscall("mount", None, b"/usr", None, 0x1000 | 0x20, None) == 0:
        got("/usr can be mounted for writing")
    attributes = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
    if syscall("mount_setattr", -100, b"/usr", 0, ctypes.byref(attributes), 32) == 0:
        got("/usr can be made writable")

def rooted():
    if syscall("unshare", 0x10020000) == 0:
        old()
        new()

for call in (old, new, writable, rooted):
    apart(call)
""",
        varies=True,
    ),
    Attack(
        "chroot",
        _GROUP,
        "change its root, the classical way out of a jail",
        r"""
def change():
    tries(os.mkdir, "jail")
    if syscall("chroot", b"jail") == 0:
        got("chroot works")
def pivot():
    if syscall("pivot_root", b".", b".") == 0:
        got("pivot_root works")
def rooted():
    if syscall("unshare", 0x10000000) == 0:
        change()
for call in (change, pivot, rooted):
    apart(call)
""",
        varies=True,
    ),
    Attack(
        "mknod",
        _GROUP,
        "make a device of its own",
        r"""
import stat
for name, kind, device in (
    ("memory", stat.S_IFCHR, os.makedev(1, 1)), ("disk", stat.S_IFBLK, os.makedev(8, 0)),
    ("disk2", stat.S_IFBLK, os.makedev(254, 0)), ("zero", stat.S_IFCHR, os.makedev(1, 5)),
):
    if tries(os.mknod, name, kind | 0o600, device) is None and os.path.lexists(name):
        got("it made the device", name)
""",
        no_control=_NEEDS_ROOT,
    ),
    Attack(
        "bpf",
        _GROUP,
        "load programs into the kernel",
        r"""
def load():
    # BPF_MAP_CREATE of one small array
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)
    if syscall("bpf", 0, ctypes.byref(attributes), 128) >= 0:
        got("bpf makes a map")
    program = (ctypes.c_uint64 * 2)(0x00000000000000B7, 0x0000000000000095)
    text = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("IIQQ", 1, 2, ctypes.addressof(program), ctypes.addressof(text))
    if syscall("bpf", 5, ctypes.create_string_buffer(attributes + bytes(104), 128), 128) >= 0:
        got("bpf loads a program")
apart(load)
""",
        varies=True,
    ),
    Attack(
        "perf",
        _GROUP,
        "watch the machine by performance counters",
        r"""
def watch():
    for exclude in (0, 0x60):  # the kernel too, or user code alone
        attributes = bytearray(128)
        struct.pack_into("IIQ", attributes, 0, 1, 128, 0)
        struct.pack_into("Q", attributes, 40, exclude)
        given = (ctypes.c_char * 128).from_buffer(attributes)
        handle = syscall("perf_event_open", given, 0, -1, -1, 0)
        if handle >= 0:
            got("perf_event_open works")
apart(watch)
""",
        varies=True,
    ),
    Attack(
        "keyring",
        _GROUP,
        "use the kernel's keyrings, which no namespace holds",
        r"""
def use():
    # The session's keyring, looked up and not made; a key in one of its own thread.
    if syscall("keyctl", 0, -3, 0) >= 0:
        got("keyctl finds the session's keyring")
    if syscall("add_key", b"user", b"treadle-selftest", b"x", 1, -1) >= 0:
        got("add_key works")
    if syscall("request_key", b"user", b"treadle-selftest-none", None, 0) >= 0:
        got("request_key works")
apart(use)
""",
        varies=True,
    ),
    Attack(
        "io-uring",
        _GROUP,
        "make system calls where no filter sees them",
        r"""
def ring():
    parameters = ctypes.create_string_buffer(120)
    if syscall("io_uring_setup", 4, parameters) >= 0:
        got("io_uring_setup works")
apart(ring)
""",
        varies=True,
    ),
    Attack(
        "set-user",
        _GROUP,
        "become another user",
        r"""
def become():
    for user in (0, 1, 65534):
        if user != os.getuid() and syscall("setresuid", user, user, user) == 0:
            got("it became user", user)
    empty = (ctypes.c_uint32 * 1)(0)
    if os.getgid() != 0 and syscall("setgroups", 1, ctypes.byref(empty)) == 0:
        got("it joined the group of root")
apart(become)
status = peek("/proc/self/status").decode("ascii", "replace")
for line in status.splitlines():
    if line.startswith(("CapEff:", "CapPrm:", "CapInh:", "CapAmb:")) and int(line.split()[1], 16):
        got("it has capabilities:", line.split()[0], line.split()[1])
""",
        no_control=_NEEDS_ROOT,
    ),
    Attack(
        "setuid-program",
        _GROUP,
        "become root by a program that is set-user-id",
        r"""
for line in peek("/proc/self/status").decode("ascii", "replace").splitlines():
    if line.startswith("NoNewPrivs:") and line.split()[1] == "0":
        got("set-user-id programs have their effect")
if libc.prctl(39, 0, 0, 0, 0) == 0:  # PR_GET_NO_NEW_PRIVS
    got("no_new_privs is not set")
""",
        varies=True,
    ),
    Attack(
        "foreign-entry",
        _GROUP,
        "go round the filter by the system calls of 32-bit and x32 programs",
        r"""
import mmap

def x32():
    for name, number in (("unshare", 272), ("keyctl", 250), ("ptrace", 521)):
        arguments = (0x10000000,) if name == "unshare" else (0, 0, 0)
        if syscall(0x40000000 | number, *arguments) >= 0 and name != "ptrace":
            got("x32 lets through", name)

def machine_code():
    # mov eax, 310 (unshare); mov ebx, CLONE_NEWUSER; int 0x80; ret
    code = bytes.fromhex("53b836010000bb00000010cd805bc3")
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(area)))
    if call() == 0:
        got("32-bit calls let through unshare")

def sockets():
    # mov eax, 359 (socket); mov ebx, 40 (AF_VSOCK); mov ecx, 1; xor edx, edx; int 0x80; ret
    code = bytes.fromhex("53b867010000bb28000000b90100000031d2cd805bc3")
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(area)))
    if call() >= 0:
        got("32-bit calls let through socket")

if platform.machine() == "x86_64":
    for call in (x32, machine_code, sockets):
        apart(call)
""",
        varies=True,
    ),
    Attack(
        "ptrace-own",
        _GROUP,
        "trace a child of its own, a way into the kernel and round filters",
        r"""
def trace():
    child = os.fork()
    if child == 0:
        time.sleep(1)
        os._exit(0)
    if syscall("ptrace", 16, child, 0, 0) == 0:
        got("ptrace works")
    os.kill(child, signal.SIGKILL)
apart(trace)
""",
        varies=True,
    ),
    Attack(
        "page-faults",
        _GROUP,
        "hold the kernel up at faults of its choice (userfaultfd)",
        r"""
def hold():
    if syscall("userfaultfd", 1) >= 0:
        got("userfaultfd works")
apart(hold)
""",
        varies=True,
    ),
    Attack(
        "administration",
        _GROUP,
        "administer the machine; every call has arguments that the kernel refuses later on",
        r"""
def refused(name, *arguments):
    # EPERM: it was not let through. ENOSYS: there is no such call. Everything else came further.
    result = syscall(name, *arguments)
    return result in (-errno.EPERM, -errno.ENOSYS, -errno.EACCES)

def all_calls():
    for name, arguments in (
        ("reboot", (1, 2, 3, None)), ("init_module", (None, 0, None)),
        ("kexec_load", (0, 999, None, 0)),
        ("swapon", (b"/nonexistent", 0)), ("sethostname", (None, -1)), ("iopl", (3,)),
        ("fanotify_init", (0xFFFF, 0)), ("finit_module", (-1, None, 0)),
    ):
        if name in NUMBERS and not refused(name, *arguments):
            got(name, "is let through:", -syscall(name, *arguments))

apart(all_calls)
""",
        no_control=_NEEDS_ROOT,
    ),
)
"""The attacks on the kernel."""
