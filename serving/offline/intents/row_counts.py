"""Count the rows of many tables: "which csv file in data has the most rows"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, reference, shown
from treadle.serving.offline.sources import members, named, per_pattern
from treadle.serving.offline.targets import extension
from treadle.serving.offline.vocabulary import ASCENDING, DESCENDING, TABLE_EXTENSIONS


def count_rows(clause: Clause) -> Draft | None:
    """Count the rows of every table in the sets that the request names."""
    sets = per_pattern(clause.targets)
    tables = all(extension(pattern) in TABLE_EXTENSIONS for _, pattern in sets)
    if not sets or not tables or clause.targets.files or not clause.has({"row", "record"}):
        return None
    draft = Draft()
    for files, pattern in sets:
        paths = members(draft, files, pattern)
        args: dict[str, JsonValue] = {"path": "${item}"}
        tables_step = draft.step("tables", "describe_table", args, for_each=reference(paths))
        args = {"records": reference(tables_step), "by": "rows"}
        if clause.has(ASCENDING) and not clause.has(DESCENDING):
            args["descending"] = False
        rank = draft.step("rank_by_rows", "sort_records", args)
        args = {"items": reference(rank), "line": "- {path}: {rows} rows"}
        listing = draft.step("listing", "render_list", args)
        draft.say(f"The {shown(named(files, pattern))}:\n{reference(listing)}")
    return draft
