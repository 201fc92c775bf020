"""Attacks on time: code that does not end, and limits that it would rather not have."""

from __future__ import annotations

from dataclasses import replace

from treadle.tools.sandbox.attacks.attack import MODEST, Attack
from treadle.tools.sandbox.attacks.trial import Trial

_GROUP = "time"
_SHORT = replace(MODEST, seconds=1.5, cpu_seconds=8.0)


def _too_long(trial: Trial) -> str:
    limit = trial.attack.limits.seconds
    if trial.seconds > limit + 3:
        return f"it ran for {trial.seconds:.1f} s where {limit:g} are the limit"
    if trial.result is not None and trial.result.status == "ok":
        return "it is said to have ended by itself"
    return ""


def _not_ended(trial: Trial) -> str:
    if trial.result is not None and trial.result.status == "ok":
        return "it is said to have ended well while it slept"
    return ""


TIME = (
    Attack(
        "endless-loop",
        _GROUP,
        "compute for ever",
        "while True:\n    pass\n",
        limits=_SHORT,
        breached=_too_long,
        no_control="only the timeout ends it, which programs without a sandbox have as well",
    ),
    Attack(
        "loops-of-many",
        _GROUP,
        "compute for ever in children of their own sessions",
        r"""
for _ in range(3):
    if tries(os.fork) == 0:
        tries(os.setsid)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            pass
        os._exit(0)
time.sleep(30)
""",
        limits=_SHORT,
        breached=_too_long,
    ),
    Attack(
        "deaf",
        _GROUP,
        "ignore every signal that can be ignored, and stay",
        r"""
for number in range(1, 65):
    tries(signal.signal, number, signal.SIG_IGN)
tries(os.setsid)
if tries(os.fork) == 0:
    tries(os.setsid)
    time.sleep(6)
    os._exit(0)
time.sleep(30)
""",
        limits=_SHORT,
        breached=_too_long,
    ),
    Attack(
        "stopped",
        _GROUP,
        "stop itself and its children, so that nothing ends by itself",
        r"""
for _ in range(2):
    if tries(os.fork) == 0:
        tries(os.setsid)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(6)
        os._exit(0)
time.sleep(0.1)
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(30)
""",
        limits=_SHORT,
        breached=_too_long,
    ),
    Attack(
        "silent",
        _GROUP,
        "close its output and sleep, so that it looks as if it had ended",
        r"""
sys.stdout.flush()
for handle in range(64):
    tries(os.close, handle)
time.sleep(6)
""",
        limits=_SHORT,
        breached=_not_ended,
        no_control="it is about what the host makes of the silence",
    ),
    Attack(
        "limits-raised",
        _GROUP,
        "raise its own limits",
        r"""
import resource
for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_CORE"):
    kind = getattr(resource, name)
    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        got(name, "has no limit")
    elif tries(resource.setrlimit, kind, (hard + 1, hard + 1)) is None:
        if resource.getrlimit(kind)[1] > hard:
            got(name, "could be raised")
if tries(os.nice, -5) is not None:
    got("its priority could be raised")
if tries(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)) is None:
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        got("it runs in real time")
""",
        no_control="programs without a sandbox have limits of the system's, or none",
    ),
    Attack(
        "core-dump",
        _GROUP,
        "leave an image of its memory with the host",
        r"""
import resource
tries(resource.setrlimit, resource.RLIMIT_CORE, (1 << 20, 1 << 20))
if resource.getrlimit(resource.RLIMIT_CORE)[0] not in (0, 1):
    got("it may leave core dumps")
""",
        no_control="the host's handler of core dumps would get it",
    ),
)
"""The attacks on time."""
