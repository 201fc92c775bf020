"""Which file an import name means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath


class ModuleNames:
    """The import names of the files of a workspace.

    A file has the name of its path, and shorter ones without the leading folders that are no
    packages (`src/`). packages: linked folders, through which files have names as well.
    """

    def __init__(self, paths: Iterable[str], packages: Sequence[tuple[str, str]] = ()) -> None:
        every = sorted(paths)
        folders = {str(PurePosixPath(p).parent) for p in every if p.endswith("/__init__.py")}
        folders |= {
            link + folder.removeprefix(target)
            for link, target in packages
            for folder in folders
            if folder == target or folder.startswith(f"{target}/")
        }
        self._paths: dict[str, str] = {}
        self._own: dict[str, str] = {}
        shorter: list[tuple[str, str]] = []
        for path in every:
            linked = [
                f"{link}/{path.removeprefix(f'{target}/')}"
                for link, target in packages
                if path.startswith(f"{target}/")
            ]
            for each in (*linked, path):
                first, *others = _names(each, folders)
                self._paths.setdefault(first, path)
                shorter += [(name, path) for name in others]
                self._own.setdefault(path, (others or [first])[-1])
        # A full name is never taken from a file by a shortened one.
        for name, path in shorter:
            self._paths.setdefault(name, path)

    def path(self, name: str) -> str | None:
        """The file that has this import name."""
        return self._paths.get(name)

    def name(self, path: str) -> str:
        """The import name that the file itself goes by."""
        return self._own[path]


def _names(path: str, packages: set[str]) -> Iterator[str]:
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    folder = ""
    yield ".".join(parts)
    for index, part in enumerate(parts[:-1]):
        folder = f"{folder}/{part}" if folder else part
        if folder in packages:
            return
        yield ".".join(parts[index + 1 :])
