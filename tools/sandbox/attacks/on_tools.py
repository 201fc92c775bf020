"""Attacks on the bridge to the tools."""

from __future__ import annotations

from treadle.tools.sandbox.attacks.bridge import BridgeAttack, BridgeTrial


def _gained(trial: BridgeTrial) -> str:
    made = [each for each in (trial.outcome, trial.later) if each is not None]
    if any(isinstance(each.value, str) and each.value.startswith("GAINED") for each in made):
        return f"a snippet reached {[each.value for each in made]}"
    return ""


TOOLS = (
    BridgeAttack(
        "ungranted-tool",
        "call a tool that was not granted, by its name",
        "await bridge_delete('all')  # type: ignore\n",
    ),
    BridgeAttack(
        "ungranted-by-stealth",
        "reach a tool that was not granted by names made at run time",
        """
found = ""
for attempt in (
    lambda: eval("bridge_delete('all')"),
    lambda: globals()["bridge_delete"]("all"),  # type: ignore
    lambda: getattr(bridge_add, "__globals__")["bridge_delete"]("all"),  # type: ignore
    lambda: bridge_add.__self__.call("bridge_delete", {}),  # type: ignore
    lambda: bridge_add("bridge_delete", name="bridge_delete"),  # type: ignore
):
    try:
        found = "GAINED " + str(attempt())
    except Exception as error:
        pass
found
""",
        breached=_gained,
    ),
    BridgeAttack(
        "flood-of-calls",
        "call a tool without end, one call after the other",
        "n = 0\nwhile True:\n    n = await bridge_add(n, 1)\n",
    ),
    BridgeAttack(
        "flood-at-once",
        "call a tool thousands of times at once",
        "import asyncio\nawait asyncio.gather(*[bridge_add(n, 1) for n in range(5000)])\n",
    ),
    BridgeAttack(
        "flood-of-forgotten-calls",
        "begin calls without end and wait for none",
        "n = 0\nwhile n < 1000000:\n    bridge_add(n, 1)  # type: ignore\n    n = n + 1\n",
    ),
    BridgeAttack(
        "catching-limits",
        "go on after every limit by catching whatever is raised",
        """
n = 0
while True:
    try:
        n = await bridge_add(n, 1)
    except BaseException:
        n = 0
""",
    ),
    BridgeAttack(
        "bridge-files",
        "read and write files of the host from a snippet",
        """
found = ""
try:
    found = open("SECRET_FILE").read()  # type: ignore
except BaseException as error:
    found = str(error)
found
""",
    ),
    BridgeAttack(
        "bridge-paths",
        "read a file of the host by pathlib, and the environment by os",
        """
import os
from pathlib import Path
found = ""
try:
    found = Path("SECRET_FILE").read_text()
except BaseException as error:
    found = str(error)
try:
    found = found + str(os.getenv("TREADLE_SELFTEST_CANARY")) + str(os.environ)
except BaseException as error:
    pass
found
""",
    ),
    BridgeAttack(
        "bridge-modules",
        "import what reaches the system",
        "import subprocess  # type: ignore\nsubprocess.run(['true'])\n'GAINED a process'",
        breached=_gained,
    ),
    BridgeAttack(
        "bridge-classes",
        "walk from an object to all classes",
        "x = ().__class__.__base__.__subclasses__()  # type: ignore\n'GAINED ' + str(len(x))",
        breached=_gained,
    ),
    BridgeAttack("bridge-loop", "compute for ever", "n = 0\nwhile True:\n    n = (n + 1) % 1000\n"),
    BridgeAttack(
        "bridge-memory",
        "take all memory",
        "found = []\nwhile True:\n    found.append('x' * 100000 + str(len(found)))\n",
    ),
    BridgeAttack(
        "bridge-large-numbers",
        "let one operation take all memory or all time",
        "n = 10 ** 9\nx = 7 ** n\n'x' * n\nlen(str(x))\n",
    ),
    BridgeAttack(
        "bridge-recursion",
        "call itself without end",
        "def deeper(n: int) -> int:\n    return deeper(n + 1) + 1\ndeeper(0)\n",
    ),
    BridgeAttack("bridge-output", "print without end", "while True:\n    print('x' * 1000)\n"),
    BridgeAttack(
        "bridge-deep-value",
        "hand the host a value so deep that reading it fails",
        "x: list = []\nfor n in range(3000):\n    x = [x]\nx\n",
    ),
    BridgeAttack(
        "bridge-deep-argument",
        "hand a tool an argument so deep, or so wide, that reading it fails",
        """
x: list = []
for n in range(3000):
    x = [x]
y = ['x' * 100] * 20
for n in range(6):
    y = [y, y, y, y, y]
for each in (x, y):
    try:
        await bridge_add(each)  # type: ignore
    except Exception as error:
        pass
""",
    ),
    BridgeAttack(
        "bridge-later",
        "leave something for the snippet after it",
        "left = 'GAINED from the last'\nprint = bridge_add\n",
        then="try:\n    found = left  # type: ignore\nexcept NameError:\n    found = ''\nfound",
        breached=_gained,
    ),
    BridgeAttack(
        "bridge-syntax",
        "crash the parser",
        "x = " + "(" * 5000 + "1" + ")" * 5000,
    ),
    BridgeAttack(
        "bridge-pattern",
        "let a regular expression run for ever",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')\n",
    ),
)
"""The attacks on the bridge to the tools."""
