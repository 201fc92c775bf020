"""Folders that are granted, one within the other."""

import os
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import SandboxLevel, SandboxLimits
from treadle.tools.sandbox.boundary import Grants

LEVELS = (SandboxLevel.STRICT, SandboxLevel.USER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a"
    (made / "b" / "c").mkdir(parents=True)
    return made


async def written(
    level: SandboxLevel, folder: Path, read: Sequence[Path], write: Sequence[Path]
) -> list[str]:
    """Where a process can write a file that has these grants."""
    boundary = need(level)
    names = ("1", "b/2", "b/c/3")
    script = "".join(f"touch {folder / name} 2>/dev/null\n" for name in names) + "exit 0"
    grants = Grants(
        read={each: str(each) for each in read}, write={each: str(each) for each in write}
    )
    process = await boundary.start(["/bin/sh", "-c", script], limits=SandboxLimits(), grants=grants)
    try:
        process.release(process.stdin)
        end = await process.wait()
    finally:
        process.close()
    assert end.status == "ok", end
    return [name for name in names if (folder / name).exists()]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("order", list(permutations(("", "b", "b/c"))))
async def test_all_can_be_written(
    level: SandboxLevel, folder: Path, order: tuple[str, ...]
) -> None:
    found = await written(level, folder, [], [folder / each for each in order])
    assert found == ["1", "b/2", "b/c/3"]


@pytest.mark.parametrize("level", LEVELS)
async def test_the_innermost_grant_decides(level: SandboxLevel, folder: Path) -> None:
    inner, innermost = folder / "b", folder / "b" / "c"
    assert await written(level, folder, [inner], [folder]) == ["1"]
    os.unlink(folder / "1")
    assert await written(level, folder, [inner], [innermost, folder]) == ["1", "b/c/3"]
    os.unlink(folder / "1")
    os.unlink(innermost / "3")
    assert await written(level, folder, [folder, innermost], [inner]) == ["b/2"]
