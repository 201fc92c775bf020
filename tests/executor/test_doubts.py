"""Items of a fan-out with effects that were cut short: a person decides on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.crashing import allow, crash, happened, open_runtime

from treadle.cli.show.fold import Fold
from treadle.core.errors import RunError
from treadle.core.events import DoubtSettled
from treadle.executor import RunResult
from treadle.executor.doubt_names import in_words, names_in_doubt, read_name

RUN = "run-1"
ITEMS = {
    "steps": [
        {"id": "f", "tool": "write", "args": {"x": "${item}"}, "for_each": [0, 1, 2]},
    ],
    "answer": "${f}",
}


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


async def resume(url: str, folder: Path, **options: Any) -> RunResult:
    async with open_runtime(url, folder, approve=allow) as runtime:
        return await runtime.resume(RUN, **options)


@pytest.fixture
def cut_short(url: str, tmp_path: Path) -> None:
    """All three items were begun, and what became of them is not known."""
    for name in ("hold-0", "hold-1", "die-2"):
        (tmp_path / name).touch()
    crash(url, tmp_path, ITEMS)
    for name in ("hold-0", "hold-1", "die-2"):
        (tmp_path / name).unlink()
    assert sorted(happened(tmp_path, "write")) == ["0", "1", "2"]


@pytest.mark.usefixtures("cut_short")
async def test_each_item_is_decided_by_itself(url: str, tmp_path: Path) -> None:
    waiting = await resume(url, tmp_path)
    assert waiting.status == "waiting"
    assert waiting.steps[0].error is not None
    assert "f[0], f[1], f[2]" in waiting.steps[0].error.message
    assert doubtful(waiting) == ("f[0]", "f[1]", "f[2]")

    part = await resume(url, tmp_path, done=["f[1]"])
    assert part.status == "waiting"
    assert doubtful(part) == ("f[0]", "f[2]")
    assert len(happened(tmp_path, "write")) == 3

    result = await resume(url, tmp_path, done=["f[0]"], redo=["f[2]"])
    assert (result.status, result.answer) == ("succeeded", [None, None, "wrote 2"])
    assert sorted(happened(tmp_path, "write")) == ["0", "1", "2", "2"]
    settled = [event for event in result.events if isinstance(event, DoubtSettled)]
    assert sorted((event.index, event.decision) for event in settled) == [
        (0, "done"), (1, "done"), (2, "redo"),
    ]  # fmt: skip


@pytest.mark.usefixtures("cut_short")
async def test_an_item_can_differ_from_what_is_said_of_the_step(url: str, tmp_path: Path) -> None:
    result = await resume(url, tmp_path, done=["f"], redo=["f[1]"])
    assert (result.status, result.answer) == ("succeeded", [None, "wrote 1", None])


@pytest.mark.usefixtures("cut_short")
async def test_what_is_not_in_doubt_is_refused_and_what_is_is_named(
    url: str, tmp_path: Path
) -> None:
    for name, code in (("f[7]", "nothing_in_doubt"), ("g[1]", "unknown_step")):
        with pytest.raises(RunError) as caught:
            await resume(url, tmp_path, done=[name])
        assert caught.value.code == code
        assert ("f[0], f[1], f[2]" in caught.value.message) == (name == "f[7]")
    with pytest.raises(RunError) as odd:
        await resume(url, tmp_path, redo=["f[-1]"])
    assert odd.value.code == "unknown_step"


def test_names() -> None:
    assert names_in_doubt("a", [None]) == ["a"]
    assert names_in_doubt("a", [10, 2]) == ["a[2]", "a[10]"]
    assert [read_name(each) for each in ("a", "a[2]", "a[]", "a[x]")] == [
        ("a", None), ("a", 2), ("a[]", None), ("a[x]", None),
    ]  # fmt: skip
    assert in_words([f"a[{index}]" for index in range(30)]).endswith("a[19] and 10 more")


def doubtful(result: RunResult) -> tuple[str, ...]:
    fold = Fold()
    for event in result.events:
        fold.take(event)
    return fold.timeline().doubtful
