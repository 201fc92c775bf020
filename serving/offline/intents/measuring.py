"""Measure, compare and rank files: "which is longer, a.md or b.md", "largest 3 files in data"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, listed, reference, shown
from treadle.serving.offline.intents.comparing import compare_contents
from treadle.serving.offline.sources import members, named, per_pattern, statistics
from treadle.serving.offline.targets import FileSet, FileTarget
from treadle.serving.offline.vocabulary import ASCENDING, DESCENDING, LENGTHS

FIELDS = ("lines", "words", "characters", "bytes", "modified")
_STATISTICS = frozenset({"statistic", "stat", "metric", "measure", "profile", "analyse", "analyze"})
_UNKNOWN = frozenset({"frequency", "frequent", "common", "frequently", "longest-word", "unique",
                      "distinct", "average", "mean", "median"})  # fmt: skip
"""Words that ask for more than a count ("the most common words"): not in range."""
_TOTALS = frozenset({"total", "together", "combined", "altogether", "overall", "sum", "aggregate"})
_EACH = frozenset({"each", "every", "per", "individual", "individually", "list"})
_COMPARING = frozenset({"compare", "compared", "comparison", "which", "versus", "vs", "contrast"})
_MOST = {
    ("lines", True): "most lines", ("lines", False): "fewest lines",
    ("words", True): "most words", ("words", False): "fewest words",
    ("characters", True): "most characters", ("characters", False): "fewest characters",
    ("bytes", True): "most bytes", ("bytes", False): "fewest bytes",
    ("modified", True): "latest change", ("modified", False): "oldest change",
}  # fmt: skip


def measure_files(clause: Clause) -> Draft | None:
    """Measure what the request names, and put it in order where it asks for that."""
    targets = clause.targets
    fields = _fields(clause)
    if clause.has(_UNKNOWN) or not fields or not (targets.files or targets.sets) or targets.urls:
        return None
    draft = Draft()
    if targets.files:
        _named_files(draft, clause, targets.files, fields)
    for files, pattern in per_pattern(targets):
        _set_of_files(draft, clause, files, pattern, fields)
    return draft


def _fields(clause: Clause) -> tuple[str, ...]:
    found = tuple(field for field in clause.measures if field in FIELDS)
    if found:
        return found
    if clause.has(LENGTHS):
        return tuple(f for f in clause.earlier_measures if f in FIELDS) or ("lines",)
    many = len(clause.targets.files) > 1 or bool(clause.targets.sets)
    ordered = clause.ranks or (clause.inherited and clause.has(_COMPARING | DESCENDING | ASCENDING))
    if clause.has(_STATISTICS) or (ordered and many):
        earlier = tuple(f for f in clause.earlier_measures if f in FIELDS)
        return earlier or ("lines", "words", "bytes")
    if clause.inherited and clause.has(_TOTALS):
        return tuple(f for f in clause.earlier_measures if f in FIELDS)
    return ()


def _direction(clause: Clause) -> bool:
    """Whether the largest comes first: what the first word of either kind says."""
    for word in clause.words:
        if word in ASCENDING:
            return False
        if word in DESCENDING:
            return True
    return True


def _ordered(clause: Clause) -> bool:
    return clause.ranks or clause.has(_COMPARING) or clause.has(ASCENDING | DESCENDING)


def _named_files(
    draft: Draft, clause: Clause, files: tuple[FileTarget, ...], fields: tuple[str, ...]
) -> None:
    steps = [statistics(draft, file) for file in files]
    records: list[JsonValue] = [reference(step) for step in steps]
    if len(files) == 1:
        draft.say(f"{shown(files[0].path)}: {_values(steps[0], '', fields)}.")
        return
    if _ordered(clause):
        _order_named(draft, clause, records, fields)
    else:
        for file, step in zip(files, steps, strict=True):
            draft.say(f"{shown(file.path)}: {_values(step, '', fields)}.")
    if clause.has(_TOTALS):
        _totals(draft, records, fields, "together")
    if len(fields) > 2 and len(files) == 2 and not clause.measures:
        compared = compare_contents(clause)
        if compared is not None:
            draft.join(compared)


def _order_named(
    draft: Draft, clause: Clause, records: list[JsonValue], fields: tuple[str, ...]
) -> None:
    largest_first = _direction(clause)
    for field in fields[:1] if len(fields) > 2 and not clause.measures else fields:
        args: dict[str, JsonValue] = {"records": records, "by": field}
        if not largest_first:
            args["descending"] = False
        rank = draft.step(f"rank_by_{field}", "sort_records", args)
        if len(records) == 2:
            draft.say(
                f"{reference(rank, '[0].path')} has the {_MOST[field, largest_first]} "
                f"({reference(rank, f'[0].{field}')}), {reference(rank, '[1].path')} "
                f"has {reference(rank, f'[1].{field}')}."
            )
            if clause.says("by how", "how much", "how many more") and field != "modified":
                values = [reference(rank, f"[{at}].{field}") for at in (0, 1)]
                expression = f"abs({values[0]} - {values[1]})"
                apart = draft.step("difference", "calculate", {"expression": expression})
                draft.say(f"The difference is {reference(apart)} {field}.")
            continue
        line = f"{{index}}. {{path}}: {_record_values((field,) if clause.measures else fields)}"
        args = {"items": reference(rank), "line": line}
        table = draft.step(f"ranking_by_{field}", "render_list", args)
        draft.say(
            f"{reference(rank, '[0].path')} has the {_MOST[field, largest_first]} "
            f"({reference(rank, f'[0].{field}')}). In order of {field}:\n{reference(table)}"
        )


def _set_of_files(
    draft: Draft, clause: Clause, files: FileSet, pattern: str, fields: tuple[str, ...]
) -> None:
    paths = members(draft, files, pattern)
    args: dict[str, JsonValue] = {"path": "${item}"}
    records = draft.step("stats", "file_statistics", args, for_each=reference(paths))
    what = shown(named(files, pattern))
    totals_only = clause.has(_TOTALS) and not clause.has(_EACH) and not _ordered(clause)
    if _ordered(clause):
        _order_set(draft, clause, records, what, fields)
    elif not totals_only:
        args = {"items": reference(records), "line": f"- {{path}}: {_record_values(fields)}"}
        table = draft.step("listing", "render_list", args)
        draft.say(f"The {what}:\n{reference(table)}")
    if not _ordered(clause) or clause.has(_TOTALS):
        count = draft.step("file_count", "count_items", {"items": reference(paths)})
        _totals(draft, reference(records), fields, f"in {reference(count)} {what}")


def _order_set(
    draft: Draft, clause: Clause, records: str, what: str, fields: tuple[str, ...]
) -> None:
    largest_first = _direction(clause)
    limit = _limit(clause)
    for field in fields[:1] if len(fields) > 2 and not clause.measures else fields:
        args: dict[str, JsonValue] = {"records": reference(records), "by": field}
        if not largest_first:
            args["descending"] = False
        if limit is not None:
            args["limit"] = limit
        rank = draft.step(f"rank_by_{field}", "sort_records", args)
        line = f"{{path}}: {_record_values((field,) if clause.measures else fields)}"
        numbered = line if limit == 1 else f"{{index}}. {line}"
        args = {"items": reference(rank), "line": numbered}
        table = draft.step(f"ranking_by_{field}", "render_list", args)
        if limit == 1:
            draft.say(f"Of the {what}, the {_MOST[field, largest_first]}: {reference(table)}")
        else:
            first = f"the first {limit} " if limit else ""
            draft.say(
                f"The {what}, {first}by {field} ({_MOST[field, largest_first]} first):\n"
                f"{reference(table)}"
            )
    if clause.says("more than", "less than", "fewer than", "larger than", "bigger than",
                   "smaller than", "longer than", "at least", "at most",
                   "greater than"):  # fmt: skip
        draft.say(
            "(The offline stand-in cannot leave out files by a threshold: this is the whole order.)"
        )


def _limit(clause: Clause) -> int | None:
    extremes = ASCENDING | DESCENDING
    number = clause.number_after(extremes) or clause.number_before(extremes)
    number = number or clause.number_after({"first"})
    if not number and clause.has(extremes):
        number = clause.number_before({"file", "document", "doc", "script", "module"})
    if number:
        return number
    single = {"file", "document", "doc", "one", "script", "module"}
    extreme = {word for word in clause.words if word in extremes and word.endswith("st")}
    ranked = clause.ranks and not extreme
    if extreme and not ranked and not clause.says("first"):
        plural = any(f"{noun}s" in clause.words for noun in single)
        singular = clause.says("which file", "what file", "which one", "what is the", "the one")
        return 1 if singular or not plural or any(w in clause.words for w in single) else None
    return None


def _totals(draft: Draft, records: JsonValue, fields: tuple[str, ...], where: str) -> None:
    sums = [field for field in fields if field != "modified"]
    if not sums:
        return
    parts: list[str] = []
    for field in sums:
        args: dict[str, JsonValue] = {"records": records, "field": field}
        total = draft.step(f"total_{field}", "sum_field", args)
        parts.append(f"{reference(total)} {field}")
    draft.say(f"Total: {listed(parts)} {where}.")


def _values(step: str, path: str, fields: tuple[str, ...]) -> str:
    parts = [
        f"last modified {reference(step, f'{path}.{field}')}"
        if field == "modified"
        else f"{reference(step, f'{path}.{field}')} {field}"
        for field in fields
    ]
    return listed(parts)


def _record_values(fields: tuple[str, ...]) -> str:
    parts = ["modified {modified}" if f == "modified" else f"{{{f}}} {f}" for f in fields]
    return ", ".join(parts)
