"""Attacks on the host's files."""

from __future__ import annotations

from treadle.tools.sandbox.attacks.attack import Attack
from treadle.tools.sandbox.contract import SandboxLevel

_GROUP = "files"
_MACHINES_OWN = "it is the machine's own"

FILES = (
    Attack(
        "shadow",
        _GROUP,
        "read /etc/shadow and the like",
        r"""
for path in ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_rsa_key"):
    if peek(path):
        got(path, "can be read")
""",
        no_control=_MACHINES_OWN,
    ),
    Attack(
        "host-secret",
        _GROUP,
        "read a file of the host that everybody may read",
        r"""
leak(peek(W["secret_file"]))
for name in names(W["folder"]):
    leak(peek(os.path.join(W["folder"], name)))
""",
    ),
    Attack(
        "host-write",
        _GROUP,
        "write to a file, and make one, where everybody may",
        r"""
for path in (W["writable"], W["secret_file"]):
    handle = tries(os.open, path, os.O_WRONLY | os.O_APPEND)
    if handle is not None:
        os.write(handle, b"changed")
path = os.path.join(W["markers"], W["nonce"])
tries(os.close, tries(os.open, path, os.O_CREAT | os.O_WRONLY) or -1)
tries(os.truncate, W["writable"], 0)
tries(os.unlink, W["writable"])
tries(os.chmod, W["writable"], 0o600)
""",
    ),
    Attack(
        "environment",
        _GROUP,
        "find the host's secrets in environments",
        r"""
leak(repr(dict(os.environ)).encode())
for pid in ["self", *pids()]:
    leak(peek(f"/proc/{pid}/environ"))
usual = {"PATH", "HOME", "LANG", "TMPDIR", "PWD", "SHLVL", "_", "TERM", "USER", "LOGNAME", "TZ"}
for pid in pids():
    words = [each.partition(b"=")[0].decode() for each in peek(f"/proc/{pid}/environ").split(b"\0")]
    strange = [each for each in words if each and each not in usual]
    strange = [each for each in strange if not each.startswith(("LC_", "PYTHON"))]
    if strange and pid != os.getpid():
        got("the environment of process", pid, "has", len(strange), "variables of the host's")
for word in os.environ:
    if any(each in word.upper() for each in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
        got("a variable that is called like a secret:", word)
""",
    ),
    Attack(
        "dot-dot",
        _GROUP,
        "climb out of the workspace",
        r"""
for depth in range(1, 14):
    leak(peek("../" * depth + W["secret_file"].lstrip("/")))
    leak(peek("/proc/self/cwd/" + "../" * depth + W["secret_file"].lstrip("/")))
top = tries(os.open, "/", os.O_PATH)
for _ in range(8):
    above = tries(os.open, "..", os.O_PATH, dir_fd=top)
    handle = tries(os.open, W["secret_file"].lstrip("/"), os.O_RDONLY, dir_fd=above)
    if handle is not None:
        leak(os.read(handle, 4096))
    top = above
""",
    ),
    Attack(
        "proc-root",
        _GROUP,
        "reach the host's files through /proc",
        r"""
for pid in ["self", "thread-self", "1", *pids()]:
    for link in ("root", "cwd"):
        leak(peek(f"/proc/{pid}/{link}{W['secret_file']}"))
    for handle in names(f"/proc/{pid}/fd"):
        if int(handle) > 2:
            leak(peek(f"/proc/{pid}/fd/{handle}"))
    for name in names(f"/proc/{pid}/map_files")[:50]:
        leak(peek(f"/proc/{pid}/map_files/{name}", 4096))
""",
    ),
    Attack(
        "symlink",
        _GROUP,
        "follow a link of its own out of the workspace",
        r"""
os.symlink(W["secret_file"], "link")
os.symlink(os.path.dirname(W["secret_file"]), "folder")
os.symlink("/", "top")
leak(peek("link"))
leak(peek("folder/secret.txt"))
leak(peek("top" + W["secret_file"]))
handle = tries(os.open, "link", os.O_PATH)
if handle is not None:
    leak(peek(f"/proc/self/fd/{handle}"))
""",
    ),
    Attack(
        "hard-link",
        _GROUP,
        "take a file of the host into the workspace by a hard link",
        r"""
for name in ("writable", "secret_file"):
    tries(os.link, W[name], "hard-" + name)
    leak(peek("hard-" + name))
handle = tries(os.open, W["writable"], os.O_PATH)
if handle is not None:
    # linkat with AT_EMPTY_PATH, and by way of /proc
    tries(os.link, f"/proc/self/fd/{handle}", "hard-by-number", follow_symlinks=True)
    leak(peek("hard-by-number"))
""",
    ),
    Attack(
        "file-handle",
        _GROUP,
        "open a file of the host by its handle, going round all paths",
        r"""
handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
mount = ctypes.c_int()
place = ctypes.c_char_p(b"/")
syscall("name_to_handle_at", -100, place, handle, ctypes.byref(mount), 0)
for start in ("/", "/usr", ".", "/etc", "/proc"):
    below = tries(os.open, start, os.O_RDONLY)
    if below is None:
        continue
    opened = syscall("open_by_handle_at", below, handle, os.O_RDONLY)
    if opened >= 0:
        got("open_by_handle_at works on", start)
""",
        no_control="the kernel keeps it for root anyway",
    ),
    Attack(
        "other-workspace",
        _GROUP,
        "read and overwrite the files of another sandbox",
        r"""
name = f"victim-{W['nonce']}.txt"
seen = 0
def walk(top):
    global seen
    for folder, folders, files in os.walk(top):
        seen += 1
        if name in files:
            path = os.path.join(folder, name)
            if leak(peek(path)):
                handle = tries(os.open, path, os.O_WRONLY | os.O_TRUNC)
                if handle is not None:
                    os.write(handle, b"overwritten")
        if seen > 6000 or folder.count("/") > 7:
            folders.clear()
for pid in pids():
    for link in ("cwd", "root/tmp", "root/dev/shm", "root/work", "root/workspace"):
        path = f"/proc/{pid}/{link}/{name}"
        leak(peek(path))
        handle = tries(os.open, path, os.O_WRONLY) if peek(path) else None
        if handle is not None:
            os.write(handle, b"overwritten")
for top in ("..", "/tmp", "/dev/shm", "/var/tmp", "/run", "/work", "/workspace", "/home"):
    walk(top)
""",
        victim=True,
    ),
    Attack(
        "system-settings",
        _GROUP,
        "open the machine's settings for writing",
        r"""
for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
    "/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper", "/sys/power/state", "/proc/self/oom_adj",
    "/proc/sys/fs/binfmt_misc/register", "/sys/fs/cgroup/cgroup.procs", "/proc/irq/0/smp_affinity",
):
    if path == "/proc/self/oom_adj":
        continue
    handle = tries(os.open, path, os.O_WRONLY)
    if handle is not None:
        os.close(handle)  # opened, never written
        got(path, "can be opened for writing")
for folder, _, files in os.walk("/sys/fs/cgroup"):
    for name in {"release_agent", "tasks", "cgroup.procs", "memory.limit_in_bytes"} & set(files):
        if tries(os.open, os.path.join(folder, name), os.O_WRONLY) is not None:
            got(folder, name, "can be opened for writing")
    if folder.count("/") > 6:
        break
handle = tries(open, "/proc/self/oom_score_adj", "w")
if handle is not None:
    try:
        handle.write("-1000")
        handle.close()
        got("it is spared when memory runs out")
    except OSError:
        pass
""",
        no_control=_MACHINES_OWN,
    ),
    Attack(
        "system-folders",
        _GROUP,
        "put a file into the system's folders",
        r"""
for folder in ("/", "/usr", "/usr/lib", "/usr/bin", "/usr/local/bin", "/etc", "/bin", "/lib",
               "/opt", "/root", "/var", "/var/log", "/boot", "/etc/cron.d", sys.prefix,
               os.path.dirname(os.__file__)):
    path = os.path.join(folder, "treadle-selftest-" + W["nonce"])
    handle = tries(os.open, path, os.O_CREAT | os.O_WRONLY)
    if handle is None:
        continue
    os.close(handle)
    # A root folder of its own, in memory, is no harm: whether it is the host's, its names tell.
    if folder != "/" or os.path.isdir(W["folder"]):
        got(folder, "can be written to")
    tries(os.unlink, path)
""",
        no_control=_MACHINES_OWN,
    ),
    Attack(
        "devices",
        _GROUP,
        "open disks, memory and the kernel's log",
        r"""
import stat
for name in names("/dev"):
    path = "/dev/" + name
    kind = tries(os.stat, path)
    if kind is not None and stat.S_ISBLK(kind.st_mode):
        handle = tries(os.open, path, os.O_RDONLY | os.O_NONBLOCK)
        if handle is not None:
            got(path, "is a disk and can be opened")
for path in ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/kvm", "/dev/fuse",
             "/dev/net/tun", "/dev/loop-control", "/dev/mapper/control", "/dev/vsock",
             "/dev/vhost-net", "/dev/uinput", "/proc/kcore", "/proc/kmsg", "/dev/userfaultfd"):
    if tries(os.open, path, os.O_RDONLY | os.O_NONBLOCK) is not None:
        got(path, "can be opened")
size = syscall("syslog", 10, None, 0)
text = ctypes.create_string_buffer(4096)
if syscall("syslog", 3, text, 4096) > 0:
    got("the kernel's log can be read")
first = peek("/proc/kallsyms", 64).split()
if first and int(first[0], 16):
    got("the kernel's addresses can be read")
""",
        no_control=_MACHINES_OWN,
    ),
    Attack(
        "listing",
        _GROUP,
        "see which folders the host has",
        r"""
if os.path.isdir(W["folder"]):
    got("the names of the host's folders can be tested")
for folder in ("/root", "/home", "/srv", "/mnt", "/media", "/var/lib"):
    # Folders on the way to the interpreter are there for it alone.
    way = os.path.realpath(sys.base_prefix)
    found = [each for each in names(folder) if not (way + "/").startswith(f"{folder}/{each}/")]
    if found:
        got(folder, "can be listed:", len(found), "names")
""",
        promised=SandboxLevel.USER,
    ),
    Attack(
        "shared-memory",
        _GROUP,
        "read shared memory of the host",
        r"""
leak(peek(W["shared"]))
for name in names("/dev/shm"):
    leak(peek("/dev/shm/" + name))
segment = syscall("shmget", W["shared_key"], 0, 0)
if segment >= 0:
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(int(segment), None, 0o10000)
    if address not in (None, ctypes.c_void_p(-1).value):
        leak(ctypes.string_at(address, 64))
""",
    ),
)
"""The attacks on files."""
