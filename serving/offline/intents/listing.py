"""Count and list files: "how many *.py files are there", "list the markdown files under docs"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, escaped, reference, shown
from treadle.serving.offline.sources import members, named, per_pattern
from treadle.serving.offline.targets import FileSet

_LIST = frozenset({"list", "show", "which", "what", "find", "enumerate", "name", "display", "print",
                   "give", "get", "tell", "locate", "ls", "see", "identify", "search"})  # fmt: skip
_COUNT = frozenset({"many", "count", "number", "tally"})
_CONTENTS = frozenset({"everything", "content", "contents", "ls", "dir", "listing"})


def list_or_count(clause: Clause) -> Draft | None:
    """Count the files of each set, list them, or both."""
    targets = clause.targets
    sets = per_pattern(targets)
    if not sets and not targets.files and clause.has(_CONTENTS):
        sets = [(FileSet(("**/*",), targets.folder or "."), "**/*")]
    counting = clause.has(_COUNT) or (clause.inherited and clause.has({"total"}))
    asked = counting or clause.has(_LIST | _CONTENTS) or clause.says("are there", "is there")
    # A file beside a set is about something else: it must not be left out.
    if not sets or not asked or targets.urls or targets.files:
        return None
    draft = Draft()
    listing = not counting or clause.has({"list", "enumerate", "name", "show", "display"})
    counts: list[str] = []
    for files, pattern in sets:
        paths = members(draft, files, pattern)
        count = draft.step("file_count", "count_items", {"items": reference(paths)})
        counts.append(reference(count))
        what = shown(named(files, pattern))
        if not listing:
            draft.say(f"There are {reference(count)} {what}.")
            continue
        args: dict[str, JsonValue] = {"items": reference(paths), "line": "- {item}"}
        rendered = draft.step("listing", "render_list", args)
        draft.say(f"{reference(count)} {what}:\n{reference(rendered)}")
    if len(counts) > 1 and counting:
        expression = " + ".join(counts)
        total = draft.step("all_files", "calculate", {"expression": expression})
        draft.say(f"Together: {reference(total)} files.")
    return draft


def exists(clause: Clause) -> Draft | None:
    """Say whether a named file is there."""
    asked = clause.has({"exist", "exists", "existing"}) or clause.says("is there a", "is there an")
    if not clause.targets.files or not asked:
        return None
    draft = Draft()
    for file in clause.targets.files:
        paths = draft.step("files", "list_files", {"pattern": escaped(file.path)})
        count = draft.step("file_count", "count_items", {"items": reference(paths)})
        draft.say(f"Files named {shown(file.path)}: {reference(count)}.")
    return draft
