"""Build sdist -> wheel, look inside, install it in a clean environment and use it from there.

Run by `make package`, not collected by pytest: it takes a minute and needs a package index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBSYSTEMS = (
    "agents",
    "planner",
    "executor",
    "tools",
    "memory",
    "serving",
    "core",
    "cli",
    "testing",
)


def main() -> None:
    """Exit with an error that names the first thing that is wrong."""
    with tempfile.TemporaryDirectory(prefix="treadle-package-") as folder:
        work = Path(folder)
        run([sys.executable, "-m", "build", "--outdir", str(work / "dist"), str(ROOT)])
        sdist = only(work / "dist", "*.tar.gz")
        wheel = only(work / "dist", "*.whl")
        check_sdist(sdist)
        check_wheel(wheel)
        use(wheel, work)
    print("package: ok")


def check_sdist(sdist: Path) -> None:
    """No links: what they point to would be missing elsewhere."""
    with tarfile.open(sdist) as archive:
        links = [member.name for member in archive if member.issym() or member.islnk()]
    if links:
        sys.exit(f"package: the sdist holds links: {links}")


def check_wheel(wheel: Path) -> None:
    """Every subsystem is inside, every module once, and nothing outside of treadle/."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = [name for name in names if name.endswith(".py")]
    for subsystem in SUBSYSTEMS:
        inside = [name for name in modules if name.startswith(f"treadle/{subsystem}/")]
        if not inside:
            sys.exit(f"package: the wheel lacks treadle.{subsystem}")
        print(f"package: treadle.{subsystem}: {len(inside)} modules")
    if len(set(names)) != len(names):
        sys.exit("package: the wheel holds a file twice")
    foreign = [name for name in modules if not name.startswith("treadle/")]
    if foreign:
        sys.exit(f"package: the wheel installs more than treadle: {foreign[:5]}")
    sources = {
        path.relative_to(ROOT / folder).as_posix()
        for folder in ("agents", "planner", "executor", "tools", "memory", "serving")
        for path in (ROOT / folder).rglob("*.py")
    }
    packed = {name.removeprefix("treadle/").partition("/")[2] for name in modules}
    if missing := sources - packed:
        sys.exit(f"package: the wheel lacks {sorted(missing)[:5]}")
    for needed in ("treadle/py.typed", "treadle/planner/prompts/plan.md"):
        if needed not in names:
            sys.exit(f"package: the wheel lacks {needed}")


def use(wheel: Path, work: Path) -> None:
    """Install the wheel alone and run a task from outside of the repository."""
    environment = work / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run([str(python), "-m", "pip", "install", "--quiet", str(wheel)])
    treadle = environment / "bin" / "treadle"
    outside = work / "elsewhere"
    outside.mkdir()
    (outside / "a.txt").write_text("one\ntwo\n", "utf-8")
    version = run([str(treadle), "--version"], cwd=outside)
    print(f"package: {version.strip()}")
    command = [str(treadle), "run", "how many lines has a.txt?", "--model", "offline", "--json"]
    result = json.loads(run(command, cwd=outside))
    if result["status"] != "succeeded" or "2" not in str(result["answer"]):
        sys.exit(f"package: the installed treadle answered {result}")
    print(f"package: the installed treadle answered: {result['answer']}")


def only(folder: Path, pattern: str) -> Path:
    """The one file that matches."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"package: {len(found)} files match {pattern}")
    return found[0]


def run(command: list[str], cwd: Path | None = None) -> str:
    """The command's output; its failure ends the check."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode != 0:
        sys.exit(f"package: {' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
