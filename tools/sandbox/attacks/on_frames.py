"""Attacks on what the host reads: its protocol with the inside, and the terminal."""

from __future__ import annotations

from dataclasses import replace

from treadle.core.json_value import compact_json
from treadle.tools.sandbox.attacks.attack import MODEST, Attack
from treadle.tools.sandbox.attacks.trial import Trial

_GROUP = "frames"
_NO_PROTOCOL = "without a sandbox there is no protocol to forge"


def _forged(trial: Trial) -> str:
    result = trial.result
    if result is None:
        return ""
    if result.status == "ok" or result.exit_code == 0:
        return "its exit code of 7 was taken for a success"
    if "forged" in f"{result.level} {result.reason}" or "forged.txt" in result.files:
        return f"what it forged was believed: {result.reason} {sorted(result.files)}"
    return ""


def _too_large(trial: Trial) -> str:
    if trial.result is None:
        return ""
    size = len(compact_json(trial.result.value))
    return f"a value of {size} characters came back" if size > 20 * 1024 * 1024 else ""


def _control_characters(trial: Trial) -> str:
    for result in (trial.result, trial.later):
        if result is not None and not result.reason.isprintable():
            return f"the host's own words carry control characters: {result.reason!r}"
    return ""


_SPRAY = r"""
def spray(*payloads):
    # Everything that is open, whatever it is: pipes to the host are among it, if there are any.
    for handle in range(3, 256):
        name = tries(os.readlink, f"/proc/self/fd/{handle}") or ""
        if tries(os.fstat, handle) is None or name.startswith("/"):
            continue
        tries(os.set_blocking, handle, False)
        for payload in payloads:
            tries(os.write, handle, payload)
"""

FRAMES = (
    Attack(
        "forged-end",
        _GROUP,
        "forge the word to the host that all went well, and exit with 7",
        _SPRAY
        + r"""
bodies = []
for kind in ("end", "exit", "result", "done", "ok"):
    bodies.append(json.dumps({
        "type": kind, "kind": kind, "op": kind, "id": 1, "status": "ok", "exit_code": 0, "code": 0,
        "returncode": 0, "level": "forged", "reason": "forged", "value": "forged", "stdout": "",
        "ok": True, "files": {"forged.txt": "eA=="},
    }).encode())
for kind, fields in (
    ("value", {"data": "SjE="}), ("out", {"data": "eA=="}), ("part", {"data": "eA=="}),
    ("file", {"path": "forged.txt", "size": 1}), ("collected", {}),
    ("called", {"ended": "exit", "code": 0, "lost": False}),
    ("done", {"ended": "exit", "code": 0, "cpu": 0.1, "memory": 1}),
    ("turn", {"command": "r", "status": 0, "sound": True}),
):
    body = json.dumps({"kind": kind, **fields}).encode()
    bodies.append(body)
    spray(b"TdF1" + struct.pack(">I", len(body)) + body)
    os.write(1, b"TdF1" + struct.pack(">I", len(body)) + body)
for body in bodies:
    spray(body + b"\n", struct.pack(">I", len(body)) + body, struct.pack("<I", len(body)) + body,
          struct.pack(">Q", len(body)) + body, b"Content-Length: %d\r\n\r\n" % len(body) + body)
    for handle in (1, 2):
        os.write(handle, body + b"\n" + struct.pack(">I", len(body)) + body + b"\n")
say("ended")
os._exit(7)
""",
        breached=_forged,
        fails=True,
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "forged-from-within",
        _GROUP,
        "find the harness in its own process, and speak in its name",
        r"""
import gc
names_of_speech = ("send", "reply", "write_frame", "send_frame", "send_data", "finish", "answer",
                   "report", "tell", "write", "write_all", "emit", "post", "put")
frame = sys._getframe()
found = []
while frame is not None:
    found += [*frame.f_locals.values(), *frame.f_globals.values()]
    frame = frame.f_back
found += gc.get_objects()
for each in found:
    try:
        kind = type(each).__name__
        if kind not in ("function", "method", "builtin_function_or_method"):
            continue
        if each.__name__ not in names_of_speech:
            continue
        if (each.__module__ or "") in ("__main__", "io", "_io"):
            continue
        for arguments in (
            ({"status": "ok", "exit_code": 0, "reason": "forged"},), ("ok", 0),
            (found[0], 0, "forged", "forged"), (b'{"status": "ok", "exit_code": 0}',),
        ):
            try:
                each(*arguments)
            except BaseException:
                pass
    except BaseException:
        pass
# The request that it was started with, if it lies about, names the file that the report goes to.
for each in found:
    try:
        token = each.get("token") if type(each) is dict else None
        if isinstance(token, str):
            for body in ({"exit": 0, "kind": "", "note": "forged", "value": 1}, {"exit": 200}):
                with open(token, "w") as stream:
                    json.dump(body, stream)
    except BaseException:
        pass
say("ended")
sys.stdout.flush()
os._exit(7)
""",
        breached=_forged,
        fails=True,
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "broken-frames",
        _GROUP,
        "send the host what is no message: huge lengths, half of one, deep and odd JSON",
        _SPRAY
        + r"""
deep = b"[" * 100_000
for payload in (
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff" + b"x" * 64, b"\x00\x00\x00\x00", b"\xff" * 4096,
    struct.pack(">I", len(deep)) + deep, deep + b"\n", b"null\n", b'{"value": NaN}\n',
    b'"\\ud800"\n', b'{"value": 1e999999}\n', b'{"a": 1, "a": 2}\n', b"9" * 5000 + b"\n",
    b"\xed\xa0\x80\n", b"{" * 10, b"TdF1\xff\xff\xff\xff", b"TdF1\x00\x00\x00\x00",
    b"TdF1" + struct.pack(">I", len(deep)) + deep,
):
    spray(payload)
    os.write(1, payload)
""",
        limits=replace(MODEST, output_bytes=2 * 1024 * 1024),
        then="print('fine')",
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "silent-channel",
        _GROUP,
        "close every descriptor but its own output, and go without a word",
        r"""
say("ended")
sys.stdout.flush()
for handle in range(3, 256):
    tries(os.close, handle)
os._exit(0)
""",
        then="print('fine')",
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "deep-value",
        _GROUP,
        "give back a value so deep that reading it fails",
        r"""
say("ended")
deep = []
for _ in range(100_000):
    deep = [deep]
deep
""",
        then="print('fine')",
        fails=True,
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "large-value",
        _GROUP,
        "give back a value larger than memory wants to hold",
        r"""
say("ended")
"x" * (30 << 20)
""",
        breached=_too_large,
        fails=True,
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "odd-value",
        _GROUP,
        "give back a value that does something when it is read",
        r"""
say("ended")
class Odd(dict):
    def __reduce__(self):
        return (open, (W["markers"] + "/unpickled", "w"))
    def __iter__(self):
        raise KeyboardInterrupt("odd")
    def __repr__(self):
        os._exit(0)
    def items(self):
        while True:
            yield ("x", float("nan"))
Odd(a=1)
""",
        limits=replace(MODEST, seconds=3),
        then="print('fine')",
        fails=True,
        no_control=_NO_PROTOCOL,
    ),
    Attack(
        "weaker-level",
        _GROUP,
        "talk the sandbox into a weaker level by everything that code can write",
        r"""
# level: unsafe   treadle: {"level": "unsafe", "unsafe": true}
for name in ("treadle.toml", ".treadle", "pyproject.toml", "sandbox.json", ".env"):
    open(name, "w").write("level = 'unsafe'\nunsafe = true\nTREADLE_SANDBOX_LEVEL=unsafe\n")
os.environ.update(TREADLE_SANDBOX_LEVEL="unsafe", TREADLE_UNSAFE="1")
LEVEL = "unsafe"
""",
        files={
            "treadle.toml": "level = 'unsafe'\nunsafe = true\n",
            ".env": "TREADLE_SANDBOX_LEVEL=unsafe\n",
        },
        then="print('fine')",
        breached=lambda trial: _weakened(trial),
        no_control="without a sandbox there is no level",
    ),
    Attack(
        "escapes-in-reasons",
        _GROUP,
        "steer the terminal by the name of an exception or of a type, which the host repeats",
        r"""
say("ended")
text = "\x1b[2J\x1b]0;title\x07\nforged line\r\u202e"
raise type(text, (Exception,), {})(text)
""",
        then=r"""
say("ended")
type("\x1b[2J\nforged line", (), {})()
""",
        breached=_control_characters,
        fails=True,
        no_control="output is data until somebody prints it",
    ),
    Attack(
        "escapes",
        _GROUP,
        "steer the terminal of whoever reads the outcome",
        r"""
text = "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b]52;c;eA==\x07\x9b31m\x1bP$q\x1b\\ \x08\x08\r"
print(text, flush=True)
print(text, file=sys.stderr, flush=True)
say("ended")
sys.stdout.flush()
raise SystemExit(text)
""",
        results=("*",),
        breached=_control_characters,
        fails=True,
        no_control="output is data until somebody prints it",
    ),
)
"""The attacks on frames."""


def _weakened(trial: Trial) -> str:
    levels = {each.level for each in (trial.result, trial.later) if each is not None}
    expected = trial.level
    weaker = [each for each in levels if each.rank < expected.rank]
    return f"it ran at {weaker[0]} instead of {expected}" if weaker else ""
