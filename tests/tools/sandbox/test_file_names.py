"""Names of files that go in and come out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import InputError
from treadle.tools.sandbox.file_names import WantedFiles, checked_files, checked_name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "a\0b",
        "x" * 256,
        "a/" * 40 + "b",
        "\udc80",
    ],
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_name(name)
    assert caught.value.code == "bad_sandbox_file"
    assert "\0" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a", "a"),
        ("./a//b/", "a/b"),
        ("a\nb", "a\nb"),
        ("\x1b[31m", "\x1b[31m"),
        ("é/ü", "é/ü"),
        ("...", "..."),
        ("-rf", "-rf"),
    ],
)
def test_names_that_are_taken(name: str, plain: str) -> None:
    assert checked_name(name) == plain


@given(st.text())
def test_no_name_leads_out(name: str) -> None:
    try:
        plain = checked_name(name)
    except InputError:
        return
    parts = plain.split("/")
    assert not plain.startswith("/")
    assert not {"", ".", ".."} & set(parts)
    assert checked_name(plain) == plain


def test_files_that_cannot_all_be_there() -> None:
    for files in ({"a": b"", "./a": b""}, {"a": b"", "a/b": b""}, {"a/b/c": b"", "a/b": b""}):
        with pytest.raises(InputError):
            checked_files(files)
    assert checked_files({"a": "é", "b/c": b"\xff"}) == {"a": "é".encode(), "b/c": b"\xff"}


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("a.txt", ["a.txt"], ["b/a.txt", "axtxt"]),
        ("*.txt", ["a.txt", ".txt", "a\nb.txt"], ["b/a.txt", "a.txt2"]),
        ("**/*.txt", ["a.txt", "b/a.txt", "b/c/a.txt"], ["a.py"]),
        ("b/**", ["b/a", "b/c/d"], ["b", "c/b"]),
        ("**", ["a", "b/c"], []),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("[a].txt", ["[a].txt"], ["a.txt"]),
    ],
)
def test_what_patterns_want(pattern: str, taken: list[str], left: list[str]) -> None:
    wanted = WantedFiles([pattern])
    assert [each for each in taken if each not in wanted] == []
    assert [each for each in left if each in wanted] == []


def test_no_pattern_takes_long() -> None:
    name = "a" * 200
    wanted = WantedFiles(["*a" * 100 + "b", "**/" * 30 + "x", "*?" * 100 + "b"])
    assert name not in wanted
    assert "/".join([name] * 30) not in wanted


@given(st.text("ab/", max_size=8), st.text("ab*/", max_size=6))
def test_patterns_agree_with_regular_expressions(name: str, pattern: str) -> None:
    try:
        plain, wanted = checked_name(name), WantedFiles([pattern])
        parts = checked_name(pattern).split("/")
    except InputError:
        return
    if any("**" in part and part != "**" for part in parts):
        return
    written = "".join(
        "(?:[^/]+/)*" if part == "**" else part.replace("*", "[^/]*") + "/" for part in parts
    )
    if parts[-1] == "**":
        written += "[^/]+/"
    assert (plain in wanted) == bool(re.fullmatch(written, plain + "/"))
