"""Steps that bring in what a request is about: files, sets of files, pages."""

from __future__ import annotations

import re

from treadle.serving.offline.draft import Draft, escaped, reference
from treadle.serving.offline.targets import FileSet, FileTarget, Targets
from treadle.serving.offline.vocabulary import EXTENSIONS

_NO_SLUG = re.compile(r"[^A-Za-z0-9]+")


def slug(text: str) -> str:
    """A short piece of a step id made from `text`."""
    made = _NO_SLUG.sub("_", text[-60:]).strip("_").lower()[-24:].strip("_")
    return made or "it"


def path_of(draft: Draft, file: FileTarget) -> str:
    """The argument that names `file`; a loose name is looked up by a step of its own."""
    if not file.loose:
        return escaped(file.path)
    anycase = "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in file.path)
    found = draft.step(f"find_{slug(file.path)}", "list_files", {"pattern": f"{anycase}*"})
    return reference(found, "[0]")


def statistics(draft: Draft, file: FileTarget) -> str:
    """The step that measures one file."""
    path = path_of(draft, file)
    return draft.step(f"stats_{slug(file.path)}", "file_statistics", {"path": path})


def text_of_file(draft: Draft, file: FileTarget) -> str:
    """The step that reads one file."""
    path = path_of(draft, file)
    return draft.step(f"read_{slug(file.path)}", "read_file", {"path": path})


def page(draft: Draft, url: str) -> str:
    """The step that fetches one page."""
    return draft.step(f"fetch_{slug(url.partition('://')[2])}", "fetch_url", {"url": escaped(url)})


def members(draft: Draft, files: FileSet, pattern: str) -> str:
    """The step that lists the files of a set that match one of its patterns."""
    args: dict[str, str] = {"pattern": escaped(pattern)}
    if files.folder != ".":
        args["folder"] = escaped(files.folder)
    return draft.step("files", "list_files", dict(args))


def per_pattern(targets: Targets) -> list[tuple[FileSet, str]]:
    """Each set of files with each of its patterns: what one step can list."""
    return [(files, pattern) for files in targets.sets for pattern in files.patterns]


def named(files: FileSet, pattern: str) -> str:
    """How an answer names the files of a set that match one pattern."""
    if len(files.patterns) == 1:
        return files.spoken
    return FileSet((pattern,), files.folder).spoken


def is_kind(word: str) -> bool:
    """Whether `word` names a kind of files."""
    return word in EXTENSIONS
