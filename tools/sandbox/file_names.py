"""Names of files that go into a sandbox or come out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from treadle.core.errors import InputError

LONGEST_NAME = 1024
DEEPEST = 32
MOST_FILES = 4096
MOST_PATTERNS = 64


def checked_name(name: str) -> str:
    """A relative path of the workspace, in its plain form.

    Raises InputError (`bad_sandbox_file`) for absolute paths, `..`, NUL, and names that no file
    has. Line breaks and control characters are names like others.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or "\0" in name or ".." in parts or not parts:
        raise InputError(
            "bad_sandbox_file", f"not a relative path inside the workspace: {ascii(name)[:200]}"
        )
    try:
        too_long = any(len(part.encode()) > 255 for part in parts)
    except UnicodeEncodeError as error:
        raise InputError("bad_sandbox_file", f"not a file's name: {ascii(name)[:200]}") from error
    if too_long or len(name) > LONGEST_NAME or len(parts) > DEEPEST:
        raise InputError("bad_sandbox_file", f"the path is too long: {ascii(name)[:200]}")
    return "/".join(parts)


def checked_files(files: Mapping[str, bytes | str]) -> dict[str, bytes]:
    """The files to put into a workspace. Raises InputError (`bad_sandbox_file`)."""
    if len(files) > MOST_FILES:
        raise InputError("bad_sandbox_file", f"{len(files)} files are more than {MOST_FILES}")
    made: dict[str, bytes] = {}
    for name, content in files.items():
        plain = checked_name(name)
        if plain in made:
            raise InputError("bad_sandbox_file", f"two files have the path {ascii(plain)[:200]}")
        made[plain] = content.encode() if isinstance(content, str) else bytes(content)
    for name in made:
        above = name.split("/")[:-1]
        if any("/".join(above[:depth]) in made for depth in range(1, len(above) + 1)):
            raise InputError(
                "bad_sandbox_file", f"a folder above it is a file: {ascii(name)[:200]}"
            )
    return made


class WantedFiles:
    """Which files to bring back: paths, and globs: `*` and `?` stay in one name, `**` does not."""

    def __init__(self, patterns: Sequence[str]) -> None:
        if len(patterns) > MOST_PATTERNS:
            raise InputError(
                "bad_sandbox_file", f"{len(patterns)} patterns are more than {MOST_PATTERNS}"
            )
        split = [checked_name(pattern).split("/") for pattern in patterns]
        # What ends in ** takes every file below, and not the folder itself.
        self._patterns = [[*each, "*"] if each[-1] == "**" else each for each in split]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def __contains__(self, name: str) -> bool:
        parts = name.split("/")
        return any(_matches(parts, pattern, "**", _name_matches) for pattern in self._patterns)


def _name_matches(name: str, pattern: str) -> bool:
    return _matches(name, pattern, "*", _letter_matches)


def _letter_matches(letter: str, wanted: str) -> bool:
    return wanted in ("?", letter)


def _matches(
    found: Sequence[str], wanted: Sequence[str], any_number: str, same: Callable[[str, str], bool]
) -> bool:
    """Whether `found` is what `wanted` says, where `any_number` stands for any number of items.

    It goes back to the last `any_number` only, which is enough, so that no pattern takes long: the
    product of both lengths at most.
    """
    at = place = 0
    after, taken = -1, 0
    while at < len(found):
        if place < len(wanted) and wanted[place] == any_number:
            after, taken = place + 1, at
            place += 1
        elif place < len(wanted) and same(found[at], wanted[place]):
            at, place = at + 1, place + 1
        elif after >= 0:
            taken += 1
            at, place = taken, after
        else:
            return False
    return all(each == any_number for each in wanted[place:])
