"""A snippet that looks at its own boundary from inside, and what it has to see."""

from __future__ import annotations

import json

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.contract import SandboxLevel, SandboxResult

LOOK_AROUND = """
import ctypes, json, os

def refused(action):
    try:
        action()
    except OSError:
        return True
    return False

def new_user_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")

def status():
    try:
        with open("/proc/self/status") as file:
            return {line.split(":")[0]: line.split(":")[1].strip() for line in file}
    except OSError:
        return {}

def network():
    import socket
    try:
        socket.socket().close()
    except OSError:
        return "no sockets"
    try:
        with open("/proc/net/dev") as file:
            return sorted(line.split(":")[0].strip() for line in file if ":" in line)
    except OSError:
        return "unknown"

def open_descriptors():
    # Asked one by one: where /proc cannot be read, nothing lists them.
    found = 0
    for number in range(1 << 14):
        try:
            os.fstat(number)
        except OSError:
            continue
        found += 1
    return found

libc = ctypes.CDLL(None)
own = status()
seen = {
    "shadow": refused(lambda: open("/etc/shadow").close()),
    "usr": refused(lambda: open("/usr/.treadle", "x").close()),
    "sysctl": refused(lambda: open("/proc/sys/kernel/hostname", "r+").close()),
    "namespaces": refused(new_user_namespace),
    "network": network(),
    "seccomp": libc.prctl(21, 0, 0, 0, 0),
    "privileges": libc.prctl(39, 0, 0, 0, 0),
    "capabilities": own.get("CapEff", ""),
    "uid": os.getuid(),
    "descriptors": open_descriptors(),
    "landlock": libc.syscall(444, None, 0, 1),
}
print(json.dumps(seen))
"""

REFUSALS = {
    "shadow": "it could read /etc/shadow",
    "usr": "it could write to /usr",
    "sysctl": "it could write to /proc/sys",
    "namespaces": "it could make a user namespace",
}


def seen_inside(result: SandboxResult) -> dict[str, JsonValue]:
    """What the snippet printed; nothing where that is not what it prints."""
    try:
        seen = json.loads(result.stdout)
    except (ValueError, RecursionError):
        return {}
    return seen if isinstance(seen, dict) else {}


def breach(level: SandboxLevel, result: SandboxResult) -> str | None:
    """What the snippet saw that it must not, in words; None where the boundary holds."""
    seen = seen_inside(result)
    for name, words in REFUSALS.items():
        if seen.get(name) is not True:
            return words
    networks: list[JsonValue] = ["no sockets"]
    if level is not SandboxLevel.CONFINED:
        networks += [["lo"], []]
    if seen.get("network") not in networks:
        return "it could reach a network"
    if level is SandboxLevel.STRICT and result.usage.peak_memory_bytes is None:
        return "no cgroup bounded its memory"
    if level not in (SandboxLevel.STRICT, SandboxLevel.USER, SandboxLevel.CONFINED):
        return None
    if seen.get("seccomp") != 2 or seen.get("privileges") != 1:
        return "no system call filter was in force"
    if str(seen.get("capabilities")).strip("0") or seen.get("uid") == 0:
        return "it had privileges"
    return None if seen.get("descriptors") == 3 else "it had inherited descriptors"
