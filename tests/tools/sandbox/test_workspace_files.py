"""What is brought back from a folder that hostile code has filled."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from treadle.tools.sandbox import SandboxLimits
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.workspace_files import collect, read_small

ALL = WantedFiles(["**"])
LIMITS = SandboxLimits()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    place = tmp_path / "workspace"
    place.mkdir()
    (tmp_path / "secret").write_text("secret")
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    yield place, descriptor
    os.close(descriptor)
    # Not left to pytest: Python's own way of removing folders fails where they are very deep.
    subprocess.run(["rm", "-rf", place], check=True, timeout=60)


def test_regular_files_come_back(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    (place / "a").write_bytes(b"\0\xff")
    (place / "b" / "c").mkdir(parents=True)
    (place / "b" / "c" / "d é").write_text("deep")
    found = collect(descriptor, ALL, LIMITS)
    assert found.files == {"a": b"\0\xff", "b/c/d é": b"deep"}
    assert found.left_out == []


def test_names_that_could_command_a_terminal_stay_behind(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    for name in ("a\n", "\x1b[2J", "\u202egpj.exe"):
        (place / name).touch()
    found = collect(descriptor, ALL, LIMITS)
    assert found.files == {}
    assert len(found.left_out) == 3
    assert "".join(found.left_out).isprintable()


def test_a_thousand_reasons_are_cut_short(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    for number in range(1000):
        (place / f"{number:04}{'x' * 240}").symlink_to("x")
    found = collect(descriptor, ALL, LIMITS)
    assert len("; ".join(found.left_out)) < 10_000
    assert found.left_out[-1] == "and others"


def test_links_pipes_and_second_names_stay_behind(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    (place / "link").symlink_to("../secret")
    (place / "folder").symlink_to("..")
    (place / "proc").symlink_to("/proc/self/root")
    os.mkfifo(place / "pipe")
    os.link(place.parent / "secret", place / "hard")
    found = collect(descriptor, ALL, LIMITS)
    assert found.files == {}
    assert len(found.left_out) == 5
    assert read_small(descriptor, "link", 100) is None
    assert read_small(descriptor, "pipe", 100) is None
    assert read_small(descriptor, "hard", 100) is None


def test_too_many_and_too_large_are_left_out_and_said(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    for number in range(5):
        (place / f"{number}").write_bytes(b"x" * 10)
    few = collect(descriptor, ALL, replace(LIMITS, result_files=2))
    assert sorted(few.files) == ["0", "1"]
    assert len(few.left_out) == 3
    small = collect(descriptor, ALL, replace(LIMITS, result_bytes=25))
    assert len(small.files) == 2
    assert "too large" in small.left_out[0]


def test_a_sparse_giant_is_not_read_whole(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    with (place / "giant").open("wb") as file:
        file.truncate(1 << 40)
    found = collect(descriptor, ALL, replace(LIMITS, result_bytes=1000))
    assert found.files == {}
    assert read_small(descriptor, "giant", 1000) is None


def test_folders_without_end(workspace: tuple[Path, int]) -> None:
    _place, descriptor = workspace
    here = os.dup(descriptor)
    for _ in range(2000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert collect(descriptor, ALL, LIMITS).files == {}


def test_names_that_are_not_text(workspace: tuple[Path, int]) -> None:
    place, descriptor = workspace
    Path(os.fsdecode(os.fsencode(place) + b"/\xff")).write_text("x")
    found = collect(descriptor, ALL, LIMITS)
    assert found.files == {}
    assert len(found.left_out) == 1
