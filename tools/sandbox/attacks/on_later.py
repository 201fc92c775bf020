"""Attacks on what comes after: processes that stay, and executions that follow."""

from __future__ import annotations

from treadle.tools.sandbox.attacks.attack import Attack

_GROUP = "later"
_NO_NEXT = "executions without a sandbox share nothing that a self-test may spoil"

LATER = (
    Attack(
        "daemon",
        _GROUP,
        "leave a daemon behind (fork, setsid, fork)",
        r"""
if tries(os.fork) == 0:
    tries(os.setsid)
    if tries(os.fork) == 0:
        for handle in range(3):
            tries(os.close, handle)
        time.sleep(8)
        os._exit(0)
    os._exit(0)
time.sleep(0.2)
""",
    ),
    Attack(
        "daemon-holding-output",
        _GROUP,
        "leave a daemon that keeps the output open, so that whoever reads it waits",
        r"""
if tries(os.fork) == 0:
    tries(os.setsid)
    if tries(os.fork) == 0:
        for number in range(1, 65):
            tries(signal.signal, number, signal.SIG_IGN)
        time.sleep(8)
        os._exit(0)
    os._exit(0)
time.sleep(0.2)
""",
        breached=lambda trial: (
            f"the call waited {trial.seconds:.1f} s for a daemon" if trial.seconds > 5 else ""
        ),
    ),
    Attack(
        "daemon-by-exec",
        _GROUP,
        "leave another program behind, started anew in a session of its own",
        r"""
import subprocess
code = "import ctypes, time; ctypes.CDLL(None).prctl(15, %r, 0, 0, 0); time.sleep(8)"
code %= W["comm"].encode()
tries(
    subprocess.Popen, [sys.executable or "/usr/bin/python3", "-I", "-c", code],
    start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
time.sleep(0.4)
""",
    ),
    Attack(
        "inherited-descriptors",
        _GROUP,
        "use descriptors that the host forgot to close",
        r"""
for name in names("/proc/self/fd"):
    kind = tries(os.readlink, f"/proc/self/fd/{name}") or ""
    if int(name) > 2 and kind.startswith(("socket:", "/memfd:", "anon_inode:")):
        got("it has the descriptor", name, "of", kind)
for handle in {W["descriptor"], *range(3, 256)}:
    leak(tries(os.pread, handle, 64, 0))
    name = tries(os.readlink, f"/proc/self/fd/{handle}") or ""
    if name.startswith("/") and not name.startswith(("/dev/null", "/proc/", "/usr/", os.getcwd())):
        got("it has the descriptor", handle, "of", name)
    below = tries(os.open, W["secret_file"].lstrip("/"), os.O_RDONLY, dir_fd=handle)
    if below is not None:
        leak(os.read(below, 64))
    for depth in range(1, 8):
        below = tries(
            os.open, "../" * depth + W["secret_file"].lstrip("/"), os.O_RDONLY, dir_fd=handle
        )
        if below is not None:
            leak(os.read(below, 64))
""",
    ),
    Attack(
        "terminal-input",
        _GROUP,
        "type into the terminal of whoever started it",
        r"""
handle = tries(os.open, "/dev/tty", os.O_RDWR)
if handle is not None:
    got("it has the terminal of the host")
for handle in range(3):
    if os.isatty(handle):
        got("it holds a terminal:", handle)
data = tries(os.read, 0, 64)
if data:
    got("it reads what the host has on stdin")
""",
        no_control="it would type into the terminal of whoever runs the self-test",
    ),
    Attack(
        "poisoned-modules",
        _GROUP,
        "change modules and builtins for later executions",
        r"""
import atexit, builtins, codecs, gc, importlib, threading
def spoiled(*_, **__):
    raise SystemExit("spoiled")
for name in ("json", "os", "math", "re", "subprocess", "ast", "tempfile", "random", "hashlib"):
    module = importlib.import_module(name)
    module.spoiled_by_selftest = True
    sys.modules["spoiled_" + name] = module
json.dumps = json.loads = spoiled
builtins.spoiled_by_selftest = True
builtins.compile = builtins.exec = builtins.sorted = spoiled
sys.path.insert(0, os.getcwd())
sys.meta_path.insert(0, spoiled)
sys.excepthook = sys.displayhook = spoiled
os.fork = os.read = os.write = spoiled
tries(os.register_at_fork, after_in_child=spoiled, before=spoiled)
atexit.register(lambda: os._exit(0))
os.environ["PYTHONSTARTUP"] = os.environ["SPOILED"] = "1"
signal.signal(signal.SIGALRM, lambda *_: None)
tries(os.umask, 0)
print("@ended", W["nonce"], flush=True)
os._exit(0)
""",
        then=r"""
import builtins, math, re
found = [name for name, module in list(sys.modules.items())
         if name.startswith("spoiled_") or hasattr(module, "spoiled_by_selftest")]
if found or hasattr(builtins, "spoiled_by_selftest") or "SPOILED" in os.environ:
    got("a later execution is spoiled:", *found)
if sorted([2, 1]) != [1, 2] or json.loads("[1]") != [1] or eval("1 + 1") != 2:
    got("a later execution computes wrongly")
""",
        no_control=_NO_NEXT,
    ),
    Attack(
        "memory-of-the-last",
        _GROUP,
        "find in memory what the execution before had",
        r"""
import builtins
word = "kept-" + W["nonce"]
builtins.kept_by_selftest = word
sys.modules["kept"] = type(sys)("kept")
sys.kept_by_selftest = [word] * 1000
""",
        then=r"""
import builtins, gc
if hasattr(builtins, "kept_by_selftest") or hasattr(sys, "kept_by_selftest"):
    got("a later execution finds what an earlier one kept")
word = "kept-" + W["nonce"]
for line in peek("/proc/self/maps").decode().splitlines():
    if "[heap]" not in line:
        continue
    low, high = (int(each, 16) for each in line.split()[0].split("-"))
    handle = tries(os.open, "/proc/self/mem", os.O_RDONLY)
    if handle is None:
        continue
    data = tries(os.pread, handle, min(high - low, 8 << 20), low) or b""
    if data.count(word.encode()) > 100:
        got("the memory of an earlier execution can be read")
""",
        no_control=_NO_NEXT,
    ),
    Attack(
        "start-up-files",
        _GROUP,
        "leave sitecustomize.py, .pth files and the like for later executions to start with",
        r"""
import site, tempfile
text = "import builtins; builtins.spoiled_by_selftest = True\n"
folders = {os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir(), "/tmp", "/workspace",
           "/usr/local/lib/python3/dist-packages", sys.prefix, os.path.dirname(os.__file__),
           tries(site.getusersitepackages) or "/nonexistent", *sys.path}
for folder in filter(None, folders):
    tries(os.makedirs, folder, exist_ok=True)
    for name in ("sitecustomize.py", "usercustomize.py", "selftest.pth", "conftest.py", "json.py",
                 ".pythonrc", "python.pth", "pyvenv.cfg"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            continue
        handle = tries(open, path, "w")
        if handle is not None:
            with handle:
                handle.write(text if not name.endswith(".cfg") else "home = /nonexistent\n")
""",
        then=r"""
import builtins, tempfile
if hasattr(builtins, "spoiled_by_selftest") or hasattr(json, "spoiled_by_selftest"):
    got("a later execution started with files of an earlier one")
for folder in (".", os.path.expanduser("~"), tempfile.gettempdir(), "/tmp", "/dev/shm"):
    for name in ("sitecustomize.py", "conftest.py", "json.py", "selftest.pth"):
        if os.path.exists(os.path.join(folder, name)):
            got("a later execution finds", os.path.join(folder, name))
""",
        no_control=_NO_NEXT,
    ),
    Attack(
        "hooks",
        _GROUP,
        "leave git hooks and settings for later executions to run",
        r"""
import tempfile
for folder in (os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir(), "/tmp", "/", "/usr"):
    tries(os.makedirs, os.path.join(folder, ".git/hooks"), exist_ok=True)
    for name, text in (
        (".git/hooks/pre-commit", "#!/bin/sh\ntouch spoiled\n"),
        (".git/config", "[core]\nfsmonitor=x\n"),
        (".gitconfig", "[core]\nhooksPath = /tmp\n"), (".bashrc", "touch spoiled\n"),
        (".profile", "touch spoiled\n"), (".ssh/config", "ProxyCommand touch spoiled\n"),
    ):
        path = os.path.join(folder, name)
        tries(os.makedirs, os.path.dirname(path), exist_ok=True)
        handle = None if os.path.exists(path) else tries(open, path, "w")
        if handle is not None:
            with handle:
                handle.write(text)
            tries(os.chmod, path, 0o755)
""",
        then=r"""
import tempfile
for folder in (os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir(), "/tmp", "/", "/usr"):
    for name in (".git/hooks/pre-commit", ".git/config", ".gitconfig", ".bashrc", ".ssh/config"):
        path = os.path.join(folder, name)
        if b"spoiled" in peek(path) or b"fsmonitor=x" in peek(path):
            got("a later execution finds", path)
""",
        no_control=_NO_NEXT,
    ),
    Attack(
        "changed-folders",
        _GROUP,
        "change the permissions of the folders that later executions are given",
        r"""
import tempfile
os.mkdir("closed")
open("closed/file", "w").close()
tries(os.chmod, "closed", 0)
for folder in (".", tempfile.gettempdir(), "/tmp", "/dev/shm", os.path.expanduser("~")):
    tries(os.setxattr, folder, "user.selftest", b"x")
    tries(os.utime, folder, (1, 1))
    tries(os.chmod, folder, 0)
""",
        then=r"""
import tempfile
for folder in (os.getcwd(), tempfile.gettempdir()):
    path = os.path.join(folder, "own-file")
    handle = tries(os.open, path, os.O_CREAT | os.O_WRONLY)
    if handle is None:
        got("a later execution cannot write to", folder)
    else:
        os.close(handle)
        os.unlink(path)
if os.path.exists("closed"):
    got("a later execution finds a folder of an earlier one's")
""",
        no_control=_NO_NEXT,
    ),
    Attack(
        "left-files",
        _GROUP,
        "leave files and shared memory for later executions to find",
        r"""
import tempfile
for folder in (".", tempfile.gettempdir(), "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/",
               os.path.expanduser("~"), "/dev/mqueue", "/run/lock", "/usr/tmp"):
    path = os.path.join(folder, "left-" + W["nonce"])
    handle = tries(os.open, path, os.O_CREAT | os.O_WRONLY)
    if handle is not None:
        os.close(handle)
syscall("shmget", int(W["nonce"][:7], 16), 4096, 0o1666)
""",
        then=r"""
import tempfile
for folder in (".", tempfile.gettempdir(), "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/",
               os.path.expanduser("~"), "/dev/mqueue", "/run/lock", "/usr/tmp"):
    if os.path.exists(os.path.join(folder, "left-" + W["nonce"])):
        got("a later execution finds a file in", folder)
segment = syscall("shmget", int(W["nonce"][:7], 16), 0, 0)
if segment >= 0:
    syscall("shmctl", int(segment), 0, None)
    got("a later execution finds shared memory")
""",
        no_control=_NO_NEXT,
    ),
)
"""The attacks on what comes after."""
