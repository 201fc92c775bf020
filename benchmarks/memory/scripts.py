"""Benchmarks of memory that are scripts of their own, each printing its table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TITLES = {
    "bitemporal": "facts that change: what held when, against a world whose truth is known",
    "echo": "what was recalled comes back: what is kept of it",
    "plan_cache": "plans used again",
}
"""By the names of the scripts."""

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 1_800


def script(name: str) -> None:
    """Run one of TITLES, which prints for itself."""
    print(f"\n== {TITLES[name]}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.memory.{name}"]
    try:
        done = subprocess.run(command, cwd=_ROOT, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"not finished after {_SECONDS} s", flush=True)
        return
    if done.returncode != 0:
        print(f"short of its targets, or failed: exit status {done.returncode}", flush=True)
