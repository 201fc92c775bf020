"""Attacks on the host's hands: on whoever brings files in and out."""

from __future__ import annotations

from dataclasses import replace

from treadle.tools.sandbox.attacks.attack import MEBIBYTE, MODEST, Attack
from treadle.tools.sandbox.attacks.trial import Trial

_GROUP = "results"
_HANGS = "it would hang who reads it"


def _bad_names(trial: Trial) -> str:
    names = [] if trial.result is None else list(trial.result.files)
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "" in parts:
            return f"a result is named {name!r}"
        if any(not each.isprintable() for each in name):
            return f"a result has control characters in its name: {name!r}"
        try:
            name.encode()
        except UnicodeEncodeError:
            return f"a result's name is no text: {name!r}"
    return ""


def _too_much_back(trial: Trial) -> str:
    if trial.result is None:
        return ""
    limits = trial.attack.limits
    size = sum(map(len, trial.result.files.values()))
    if size > limits.result_bytes or len(trial.result.files) > limits.result_files:
        return f"{len(trial.result.files)} results of {size} bytes came back"
    return ""


def _unpacked(trial: Trial) -> str:
    if trial.result is None:
        return ""
    for name, content in trial.result.files.items():
        if len(content) > MEBIBYTE or "/" in name:
            return f"an archive was unpacked: {name!r}, {len(content)} bytes"
    return ""


_REFUSED = r"""
print("nothing to see")
"""

RESULTS = (
    Attack(
        "link-as-result",
        _GROUP,
        "hand out links to files of the host as results",
        r"""
os.symlink(W["secret_file"], "result.txt")
os.symlink(os.path.relpath(W["secret_file"]), "relative.txt")
os.symlink("../" * 12 + W["secret_file"].lstrip("/"), "climbing.txt")
os.symlink("/proc/self/environ", "environ.txt")
os.symlink(os.path.dirname(W["secret_file"]), "folder")
os.makedirs("deep/er")
os.symlink(W["secret_file"], "deep/er/result.txt")
tries(os.link, W["writable"], "hard.txt")
""",
        results=("*.txt", "**/*.txt", "folder/secret.txt", "folder/*", "deep/er/result.txt"),
    ),
    Attack(
        "changing-result",
        _GROUP,
        "swap a result for a link while it is brought out, by a daemon that outlives the code",
        r"""
open("plain.txt", "w").write("plain")
os.symlink(W["secret_file"], "link.txt")
def swap():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for source in ("plain.txt", "link.txt"):
            tries(os.link, source, "next.txt", follow_symlinks=False)
            tries(os.rename, "next.txt", "result.txt")
            tries(os.unlink, "next.txt")
if tries(os.fork) == 0:
    tries(os.setsid)
    swap()
    os._exit(0)
time.sleep(0.2)
""",
        results=("result.txt", "*.txt"),
    ),
    Attack(
        "changing-folder",
        _GROUP,
        "swap a folder for a link to a folder of the host while results are brought out",
        r"""
os.mkdir("plain")
open("plain/secret.txt", "w").write("plain")
os.symlink(os.path.dirname(W["secret_file"]), "link")
os.mkdir("out")
open("out/secret.txt", "w").write("plain")
def swap():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        syscall(316 if platform.machine() == "x86_64" else 276, -100, b"out", -100, b"link", 2)
if tries(os.fork) == 0:
    tries(os.setsid)
    swap()
    os._exit(0)
time.sleep(0.2)
""",
        results=("out/secret.txt", "out/*"),
    ),
    Attack(
        "growing-result",
        _GROUP,
        "let a result grow while it is brought out",
        r"""
open("result.txt", "w").write("x")
if tries(os.fork) == 0:
    tries(os.setsid)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        with open("result.txt", "ab") as stream:
            for _ in range(6):
                tries(stream.write, bytes(1 << 20))
        tries(os.truncate, "result.txt", 0)
    os._exit(0)
time.sleep(0.2)
""",
        results=("result.txt",),
        breached=_too_much_back,
        no_control="whether it grows in time is chance",
    ),
    Attack(
        "pipe-as-result",
        _GROUP,
        "hand out a pipe, a socket, a device and a folder as results",
        r"""
os.mkfifo("pipe.txt")
peer = tries(socket.socket, socket.AF_UNIX)
if peer is not None:
    tries(peer.bind, "socket.txt")
for path in ("/dev/zero", "/dev/stdin", "/dev/tty", "/proc/kmsg", "/dev/random"):
    os.symlink(path, os.path.basename(path) + ".txt")
os.mkdir("folder.txt")
""",
        results=("pipe.txt", "*.txt"),
        breached=lambda trial: (
            f"what is no file came back: {sorted(trial.result.files)}"
            if trial.result is not None and trial.result.files
            else ""
        ),
        no_control=_HANGS,
    ),
    Attack(
        "sparse-result",
        _GROUP,
        "hand out a file that is far larger than the disk, and holds nothing",
        r"""
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
handle = os.open("result.txt", os.O_CREAT | os.O_RDWR)
for size in (1 << 42, 1 << 36, 1 << 30, 7 << 20):
    if tries(os.ftruncate, handle, size) is None and os.fstat(handle).st_size == size:
        break
""",
        results=("result.txt",),
        breached=_too_much_back,
        no_control="without a sandbox the host would run out of memory",
    ),
    Attack(
        "many-results",
        _GROUP,
        "hand out more files, and more in total, than allowed",
        r"""
for number in range(400):
    open(f"r{number}.txt", "w").write("x")
for number in range(7):
    open(f"large{number}.txt", "wb").write(bytes(1 << 20))
""",
        results=("*.txt",),
        breached=_too_much_back,
    ),
    Attack(
        "names-of-results",
        _GROUP,
        "give results names that forge lines, steer a terminal, or are no text",
        r"""
for name in (b"a\nb.txt", b"\x1b[2J\x1b]0;title\x07.txt", b"\xff\xfe.txt", b"tab\t.txt", b"\r.txt",
             "\u202etxt.exe.txt".encode(), b"a\\..\\b.txt", b"x" * 240 + b".txt", b" .txt",
             b"-rf.txt",
             b'"},"forged.txt":{"a".txt', b"\x00"[1:] + b"nul.txt", "\u2028.txt".encode()):
    handle = tries(os.open, name, os.O_CREAT | os.O_WRONLY)
    if handle is not None:
        os.write(handle, b"x")
        os.close(handle)
""",
        results=("*.txt",),
        limits=replace(MODEST, result_files=64),
        breached=_bad_names,
    ),
    Attack(
        "slow-patterns",
        _GROUP,
        "ask for results by patterns that take for ever to compare",
        r"""
for name in ("a" * 60, "a" * 59 + "c"):
    open(name, "w").close()
path = "d"
for _ in range(24):
    os.mkdir(path)
    path += "/d"
""",
        results=("*a" * 6 + "*b", "/".join(["**"] * 6) + "/x"),
        may_refuse=True,
        breached=lambda trial: _slow(trial),
        no_control="how long it takes depends on who compares",
    ),
    Attack(
        "endless-reasons",
        _GROUP,
        "have more results refused than anybody wants to read of",
        r"""
for number in range(3000):
    tries(os.symlink, "/nonexistent", f"{number:0240d}.txt")
""",
        results=("*.txt",),
        breached=lambda trial: _wordy(trial),
        no_control="without a sandbox nobody gives reasons",
    ),
    Attack(
        "patterns",
        _GROUP,
        "ask for results outside of the workspace",
        r"""
open("inside.txt", "w").write("inside")
""",
        results=(
            "../*",
            "../**/secret.txt",
            "{secret_file}",
            "**/../../**/secret.txt",
            "../" * 10 + "etc/passwd",
            "/etc/passwd",
            "inside.txt/../../x",
        ),
        may_refuse=True,
        breached=lambda trial: (
            _bad_names(trial)
            or (
                "a file from outside came back"
                if trial.result is not None
                and any(b"root:" in content for content in trial.result.files.values())
                else ""
            )
        ),
        no_control="where it goes depends on who reads",
    ),
    Attack(
        "archive",
        _GROUP,
        "hand out archives that unpack to far more, or to elsewhere",
        r"""
import gzip, io, tarfile, zipfile
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
    bundle.writestr("../../escaped.txt", "x")
    bundle.writestr("zeros", bytes(6 << 20))
with gzip.open("bomb.gz", "wb") as stream:
    stream.write(bytes(6 << 20))
with tarfile.open("bomb.tar.gz", "w:gz") as bundle:
    for name in ("../escaped.txt", W["markers"] + "/escaped.txt"):
        entry = tarfile.TarInfo(name)
        entry.size = 1
        bundle.addfile(entry, io.BytesIO(b"x"))
""",
        results=("*",),
        breached=_unpacked,
        no_control="only who unpacks is hurt by it",
    ),
    Attack(
        "deep-folders",
        _GROUP,
        "leave folders so deep and closed that they cannot be cleared away",
        r"""
made = 0
for _ in range(1500):
    if tries(os.mkdir, "d" * 100) is not None:
        break
    if tries(os.chdir, "d" * 100) is not None:
        break
    made += 1
    open("f.txt", "w").close()
tries(os.chmod, ".", 0)
tries(os.chdir, "/")
""",
        results=("**/*.txt",),
        then="print('fine')",
        no_control="it would have to be cleared away by hand",
    ),
    Attack(
        "names-of-inputs",
        _GROUP,
        "bring files in at places outside of the workspace",
        _REFUSED,
        files={"../escaped.txt": "x", "a/../../escaped.txt": "x"},
        may_refuse=True,
        breached=lambda trial: _escaped(trial),
        no_control="where it goes depends on who writes",
    ),
    Attack(
        "absolute-input",
        _GROUP,
        "bring a file in at an absolute path of the host",
        _REFUSED,
        files={"{markers}/escaped.txt": "x"},
        may_refuse=True,
        no_control="where it goes depends on who writes",
    ),
    Attack(
        "command-options",
        _GROUP,
        "smuggle options of the sandbox's own program into a command",
        command=("--dev-bind", "/", "/", "/bin/cat", "{secret_file}"),
        may_refuse=True,
        no_control="without a sandbox there is no such program",
    ),
    Attack(
        "command-of-host",
        _GROUP,
        "read a file of the host by a command instead of code",
        command=("/bin/cat", "{secret_file}"),
        may_refuse=True,
    ),
)
"""The attacks on results and inputs."""


def _escaped(trial: Trial) -> str:
    if list(trial.folder.rglob("escaped.txt")):
        return "a file was written outside of the workspace"
    return ""


def _slow(trial: Trial) -> str:
    return f"the host was busy for {trial.seconds:.1f} s" if trial.seconds > 2.5 else ""


def _wordy(trial: Trial) -> str:
    if trial.result is not None and len(trial.result.reason) > 16_384:
        return f"the host gives {len(trial.result.reason)} characters of reasons"
    return ""
