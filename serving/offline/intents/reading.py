"""Show files: "the first 10 lines of a.txt", "lines 5 to 20 of b.py", "what is in notes.txt"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, reference, shown
from treadle.serving.offline.sources import path_of, slug, statistics
from treadle.serving.offline.targets import FileTarget
from treadle.serving.offline.vocabulary import PREPARATIONS

_SHOW = frozenset(
    {"show", "read", "print", "display", "cat", "head", "tail", "open", "view", "output", "see",
     "content", "contents", "dump", "load", "get", "line", "look", "take", "say", "consider",
     "preview", "says"}
)  # fmt: skip


def read_files(clause: Clause) -> Draft | None:
    """Show the files that the request names, or the lines of them that it asks for."""
    files = clause.targets.files
    phrased = clause.says("what is in", "what is inside", "what does", "give me the text")
    asked = phrased or clause.has(_SHOW | {"first", "last"})
    if not files or not asked or clause.targets.urls:
        return None
    if clause.has({"many", "count", "total", "average", "sum", "mean", "median", "by", "per"}):
        return None
    draft = Draft()
    for file in files:
        _show(draft, clause, file)
    explicit = clause.has(
        {"show", "print", "display", "cat", "line", "content", "contents", "what", "says"}
    )
    draft.preparatory = not explicit and clause.has(PREPARATIONS)
    return draft


def read_lines(clause: Clause) -> Draft | None:
    """Show those lines of files that the request counts off."""
    return read_files(clause) if _names_lines(clause) else None


def _names_lines(clause: Clause) -> bool:
    """ "first 10 lines", "print 5 lines", "line 7", "lines 5 to 20"; not "10 lines longer"."""
    if clause.has({"longer", "shorter", "more", "fewer", "less", "most", "than", "many", "number"}):
        return False
    if clause.number_after({"line"}) is not None or clause.has({"head", "tail"}):
        return True
    if not clause.has({"line"}):
        return False
    end = clause.has({"first", "last", "top", "bottom", "final", "beginning"})
    return end or clause.number_before({"line"}) is not None


def _show(draft: Draft, clause: Clause, file: FileTarget) -> None:
    path = path_of(draft, file)
    args: dict[str, JsonValue] = {"path": path}
    last = clause.number_after({"last", "final", "bottom"})
    first = clause.number_after({"first", "top", "beginning"})
    start = clause.number_after({"line"})
    plain = clause.number_before({"line"}) or clause.number_after({"n"})
    which = ""
    if clause.has({"tail", "last"}) and clause.position({"first"}) < 0:
        number = last or plain or (1 if clause.says("last line", "final line") else 10)
        lines = reference(statistics(draft, file), ".lines")
        at = draft.step(
            "first_line", "calculate", {"expression": f"max({lines} - {number - 1}, 1)"}
        )
        args["first_line"] = reference(at)
        which = f", the last {number} line(s)"
    elif start is not None and start > 0:
        end = _range_end(clause, start)
        args["first_line"], args["max_lines"] = start, max(1, end - start + 1)
        which = f", line {start}" if end <= start else f", lines {start} to {end}"
    elif clause.has({"first", "head", "top"}) or plain:
        number = first or plain or (1 if clause.says("first line") else 10)
        args["max_lines"] = number
        which = f", the first {number} line(s)"
    read = draft.step(f"read_{slug(file.path)}", "read_file", args)
    draft.say(f"{shown(file.path)}{which}:\n{reference(read)}")


def _range_end(clause: Clause, start: int) -> int:
    at = clause.position({"line"})
    for offset in range(at + 2, min(at + 5, len(clause.tokens))):
        number = clause.number_at(offset)
        if number is not None and number >= start:
            return number
    return start
