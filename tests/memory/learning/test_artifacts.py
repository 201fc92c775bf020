"""Artifacts: versions, ranges, limits; and a job of a hundred steps in a bounded context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import InputError
from treadle.memory.learning import Artifacts, Instructions
from treadle.memory.learning.artifact import check_name
from treadle.memory.learning.artifacts import MOST_READ, PART
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

HERE = Namespace("users/kim")


async def test_each_write_is_a_version_and_appending_is_none(store: Store) -> None:
    artifacts = Artifacts(store, most_versions=2)
    await artifacts.write("report.md", "one", namespace=HERE)
    await artifacts.write("report.md", "two", namespace=HERE, media_type="text/markdown")
    grown = await artifacts.append(
        "report.md", " and more", namespace=HERE, taint=frozenset({"web"})
    )
    assert (grown.version, grown.size, grown.taint) == (2, 12, {"web"})
    assert (await artifacts.read("report.md", namespace=HERE)).text == "two and more"
    assert (await artifacts.read("report.md", namespace=HERE, version=1)).text == "one"
    await artifacts.write("report.md", "three", namespace=HERE)
    assert [each.version for each in await artifacts.versions("report.md", namespace=HERE)] == [
        2,
        3,
    ]
    assert [each.name for each in await artifacts.all("rep", namespace=HERE)] == ["report.md"]
    assert await artifacts.all("x", namespace=HERE) == []
    assert await artifacts.delete("report.md", namespace=HERE) == 2
    assert await artifacts.info("report.md", namespace=HERE) is None


async def test_parts_hold_whatever_is_appended(store: Store) -> None:
    artifacts = Artifacts(store)
    content = bytes(number % 251 for number in range(3 * PART + 17))
    sizes = (1, PART - 1, 5, PART + 7, 0, len(content))
    at = 0
    for size in sizes:
        await artifacts.append("a.bin", content[at : at + size], namespace=HERE)
        at = min(len(content), at + size)
    whole = await artifacts.write("b.bin", content, namespace=HERE)
    grown = await artifacts.info("a.bin", namespace=HERE)
    assert grown is not None
    assert (grown.size, grown.content_hash) == (whole.size, whole.content_hash)
    for start, length in ((0, 10), (PART - 3, 6), (PART * 2, PART), (-5, 100), (10**9, 5)):
        part = await artifacts.read("a.bin", namespace=HERE, start=start, length=length)
        assert part.content == content[start:][:length]
        assert part.more == (part.end < len(content))
    assert len((await artifacts.read("a.bin", namespace=HERE)).content) == min(
        MOST_READ, len(content)
    )


async def test_lines(store: Store) -> None:
    artifacts = Artifacts(store)
    lines = [f"line {number} é\n" for number in range(1, 20_001)]
    await artifacts.write("log.txt", "".join(lines) + "the end", namespace=HERE)
    for first, count in ((1, 3), (9_999, 2), (20_000, 5), (20_001, 1), (30_000, 1), (5, 0)):
        part = await artifacts.read_lines("log.txt", namespace=HERE, first=first, count=count)
        assert part.text == "".join([*lines, "the end"][first - 1 : first - 1 + count])
    assert not (await artifacts.read_lines("log.txt", namespace=HERE, first=20_001)).more
    for count in (0, 1, 2, 500):
        last = await artifacts.read_last_lines("log.txt", namespace=HERE, count=count)
        assert last.text == "".join([*lines, "the end"][20_001 - count :])
    await artifacts.append("log.txt", "\n", namespace=HERE)
    assert (await artifacts.read_last_lines("log.txt", namespace=HERE, count=1)).text == "the end\n"


async def test_a_character_that_a_range_cuts_is_left_out(store: Store) -> None:
    artifacts = Artifacts(store)
    text = "aé織🧵z"
    await artifacts.write("x", text, namespace=HERE)
    size = len(text.encode())
    for start in range(size):
        for length in range(size + 1):
            part = await artifacts.read("x", namespace=HERE, start=start, length=length)
            assert part.text in text
            assert "\ufffd" not in part.text


async def test_a_change_is_taken_back(store: Store) -> None:
    artifacts = Artifacts(store)
    for size in (10, PART, PART + 10):
        before = await artifacts.append("x", "a" * size, namespace=HERE)
        after = await artifacts.append("x", "b" * PART, namespace=HERE)
        await artifacts.cut(after, before.size, namespace=HERE)
        restored = await artifacts.info("x", namespace=HERE)
        assert restored is not None
        assert (restored.size, restored.content_hash) == (before.size, before.content_hash)
    written = await artifacts.write("x", "new", namespace=HERE)
    await artifacts.cut(written, 0, namespace=HERE)
    assert [each.version for each in await artifacts.versions("x", namespace=HERE)] == [1]
    with pytest.raises(InputError) as caught:
        await artifacts.cut(written, 0, namespace=HERE)
    assert caught.value.code == "artifact_changed"


async def test_a_call_that_is_made_again_is_done_once(store: Store) -> None:
    artifacts = Artifacts(store)
    for _ in range(3):
        await artifacts.append("x", "one ", namespace=HERE, key="run/step/1")
    for _ in range(3):
        await artifacts.append("x", "two", namespace=HERE, key="run/step/2")
    await artifacts.append("x", "!", namespace=HERE)
    assert (await artifacts.read("x", namespace=HERE)).text == "one two!"
    for _ in range(2):
        made = await artifacts.write("x", "new", namespace=HERE, key="run/step/3")
        assert made.version == 2


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a\\b",
        "c:x",
        "a\nb",
        " a",
        "a.",
        "x" * 201,
        "a/",
    ],
)
async def test_names_that_are_not_safe(store: Store, name: str) -> None:
    with pytest.raises(InputError) as caught:
        await Artifacts(store).write(name, "x", namespace=HERE)
    assert caught.value.code == "bad_artifact_name"


@given(st.text(max_size=30))
def test_a_safe_name_stays_where_it_is(name: str) -> None:
    try:
        check_name(name)
    except InputError:
        return
    assert not name.startswith("/")
    assert ".." not in name.split("/")


async def test_limits(store: Store) -> None:
    artifacts = Artifacts(store, most_bytes=10)
    await artifacts.write("x", "0123456789", namespace=HERE)
    for action in (
        artifacts.append("x", "!", namespace=HERE),
        artifacts.write("x", "0" * 11, namespace=HERE),
    ):
        with pytest.raises(InputError) as caught:
            await action
        assert caught.value.code == "artifact_too_large"
    assert (await artifacts.read("x", namespace=HERE)).text == "0123456789"
    for version in (None, 7):
        with pytest.raises(InputError) as caught:
            await artifacts.read("x" if version else "y", namespace=HERE, version=version)
        assert caught.value.code == "artifact_not_found"
    with pytest.raises(InputError) as caught:
        await artifacts.read("x", namespace=Namespace("users/lee"))
    assert caught.value.code == "artifact_not_found"
    with pytest.raises(InputError) as caught:
        await artifacts.write("x", "\ud800", namespace=HERE)
    assert caught.value.code == "bad_text"


async def test_a_job_goes_on_where_its_process_died(store: Store) -> None:
    jobs = Instructions(store)
    await jobs.add("book", ["one", "two"], namespace=HERE)
    await jobs.add("book", ["three"], namespace=HERE, artifacts=["book.md"])
    first = await jobs.begin("book", namespace=HERE)
    assert first is not None
    assert (first.position, first.status) == (1, "running")
    await jobs.finish("book", 1, "written", namespace=HERE, taint=frozenset({"web"}))
    assert (await jobs.begin("book", namespace=HERE) or first).position == 2
    assert await jobs.reopen("book", namespace=HERE) == 1
    again = await jobs.begin("book", namespace=HERE)
    assert again is not None
    assert again.position == 2
    await jobs.finish("book", 2, "no", namespace=HERE, failed=True)
    third = await jobs.begin("book", namespace=HERE)
    assert third is not None
    assert third.artifacts == ("book.md",)
    assert await jobs.begin("book", namespace=HERE) is None
    states = [each.status for each in await jobs.all("book", namespace=HERE)]
    assert states == ["done", "failed", "running"]
    with pytest.raises(InputError) as caught:
        await jobs.finish("book", 9, "x", namespace=HERE)
    assert caught.value.code == "instruction_not_found"


async def test_other_bad_instructions(store: Store) -> None:
    jobs = Instructions(store)
    for texts, names, code in (
        ([""], [], "empty_text"),
        (["x"], ["../y"], "bad_artifact_name"),
        (["x"] * 10_001, [], "too_many_instructions"),
    ):
        with pytest.raises(InputError) as caught:
            await jobs.add("book", texts, namespace=HERE, artifacts=names)
        assert caught.value.code == code
    assert await jobs.all("book", namespace=HERE) == []
