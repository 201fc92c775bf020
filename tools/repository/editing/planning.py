"""From edits to the bytes of each file, without touching one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from treadle.core.errors import ToolError
from treadle.tools.builtin.anchored import coded, content_at, opened_folder
from treadle.tools.builtin.file_changes import FileChanges
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.editing.change import ChangeSet, FileChange
from treadle.tools.repository.editing.edits import (
    Delete,
    DeleteFile,
    Edit,
    Insert,
    MoveFile,
    Replace,
    WriteFile,
)
from treadle.tools.repository.language_server.records import TextEdit
from treadle.tools.repository.selectors.resolve import Place, resolve
from treadle.tools.repository.selectors.selector import SymbolSelector, parse_selector
from treadle.tools.repository.source_text import SourceText

MAX_FILES = 500
"""Files that one set of edits may change."""

_Content = tuple[bytes, int] | None


@dataclass(slots=True)
class _Draft:
    """The files as they are, and as the edits so far would leave them."""

    workspace: Workspace
    places: FileChanges
    before: dict[str, _Content] = field(default_factory=dict)
    after: dict[str, bytes | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def key(self, path: str) -> str:
        """The one name of a file, of the many that lead to it."""
        return self.workspace.relative(self.places.place(path))

    def load(self, path: str) -> bytes | None:
        key = self.key(path)
        if key not in self.after:
            if len(self.after) >= MAX_FILES:
                raise ToolError("too_many_files", f"edits change more than {MAX_FILES} files")
            real = self.places.place(path)
            found = None
            with coded(path):
                try:
                    with opened_folder(self.workspace, real) as folder:
                        found = content_at(folder, real.name, path)
                except FileNotFoundError:
                    found = None
            self.before[key] = None if found is None else (found[0], found[1].mode)
            self.after[key] = None if found is None else found[0]
        return self.after[key]

    def must(self, path: str) -> bytes:
        data = self.load(path)
        if data is None:
            self.workspace.open(path).close()  # its error suggests similar names
            raise ToolError("file_not_found", f"there is no file '{path[:200]}'")
        return data

    def put(self, path: str, data: bytes | None) -> None:
        self.after[self.key(path)] = data


def planned(workspace: Workspace, places: FileChanges, edits: Sequence[Edit]) -> ChangeSet:
    """What `edits` do, in order: each sees what those before it did.

    Raises SelectorError, and ToolError as selectors, files and encodings give cause:
    `no_edits`, `nothing_changes`, `file_exists` and the codes of reading and writing files.
    """
    if not edits:
        raise ToolError("no_edits", "there are no edits")
    draft = _Draft(workspace, places)
    for number, edit in enumerate(edits, 1):
        try:
            _apply(draft, edit)
        except ToolError as error:
            error.args = (f"{error.code}: edit {number}: {error.message}",)
            error.message = f"edit {number}: {error.message}"
            raise
    return _change_set(draft)


def planned_renames(
    workspace: Workspace, places: FileChanges, edits: Sequence[TextEdit]
) -> ChangeSet:
    """What the text edits of a language server do. Raises as `planned` does."""
    draft = _Draft(workspace, places)
    by_path: dict[str, list[TextEdit]] = {}
    for edit in edits:
        by_path.setdefault(edit.location.path, []).append(edit)
    for path, listed in by_path.items():
        source = SourceText.decode(draft.must(path), path)
        text = source.text
        # From the end, so that the offsets before stay right.
        for edit in sorted(listed, key=lambda each: each.location.start, reverse=True):
            start = source.offset(edit.location.start)
            text = text[:start] + edit.text + text[source.offset(edit.location.end) :]
        draft.put(path, source.encode(text, path))
    return _change_set(draft)


def _change_set(draft: _Draft) -> ChangeSet:
    files: list[FileChange] = []
    for path, after in sorted(draft.after.items()):
        found = draft.before[path]
        before, mode = found if found is not None else (None, None)
        if before != after:
            files.append(FileChange(path, before, after, mode))
    if not files:
        raise ToolError("nothing_changes", "the edits leave every file as it is")
    moved = {each.before: each.mode for each in files if each.after is None}
    # A file that was moved keeps its permissions.
    return ChangeSet(
        tuple(
            FileChange(each.path, None, each.after, moved.get(each.after))
            if each.before is None and each.after is not None
            else each
            for each in files
        ),
        tuple(draft.notes),
    )


def _apply(draft: _Draft, edit: Edit) -> None:
    if isinstance(edit, WriteFile):
        old = draft.load(edit.path)
        if old is None:
            draft.put(edit.path, _encoded(edit.text))
        else:
            source = SourceText.decode(old, edit.path)
            draft.put(edit.path, source.encode(source.with_newlines(edit.text), edit.path))
    elif isinstance(edit, DeleteFile):
        draft.must(edit.path)
        draft.put(edit.path, None)
    elif isinstance(edit, MoveFile):
        data = draft.must(edit.path)
        if draft.load(edit.to) is not None:
            raise ToolError("file_exists", f"there is a file '{edit.to[:200]}'")
        draft.put(edit.to, data)
        draft.put(edit.path, None)
    else:
        _edit_text(draft, edit)


def _edit_text(draft: _Draft, edit: Replace | Insert | Delete) -> None:
    selector = parse_selector(edit.at)
    source = SourceText.decode(draft.must(selector.path), selector.path)
    place = resolve(selector, source)
    if place.how != "exact":
        draft.notes.append(f"{edit.at[:200]} was found at line {place.position.line} ({place.how})")
    whole = isinstance(selector, SymbolSelector)
    start, end, text = place.start, place.end, ""
    if isinstance(edit, Replace):
        if start == end:
            raise ToolError("bad_selector", "a position holds no text to replace; use an anchor")
        text = _reindented(edit.text, source, place).rstrip("\r\n") if whole else edit.text
    elif isinstance(edit, Insert):
        text = _reindented(edit.text, source, place).rstrip("\r\n") if whole else edit.text
        if edit.op == "insert_before":
            end, text = start, f"{text}\n" if whole else text
        else:
            start, text = end, f"\n{text}" if whole else text
    elif whole:
        end += _ending(source, end)
    new = source.text[:start] + source.with_newlines(text) + source.text[end:]
    draft.put(selector.path, source.encode(new, selector.path))


def _reindented(text: str, source: SourceText, place: Place) -> str:
    """`text` as deep as the definition that it belongs to, however deep it was written."""
    line = source.lines[place.position.line - 1]
    indent = line[: len(line) - len(line.lstrip())]
    bare = textwrap.dedent(text.replace("\r\n", "\n"))
    return textwrap.indent(bare, indent) if indent else bare


def _ending(source: SourceText, offset: int) -> int:
    found = re.compile(r"\r\n|\r|\n").match(source.text, offset)
    return len(found[0]) if found else 0


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolError("text_not_encodable", f"the text is no UTF-8: {error}") from None
