"""Ask a table: "total amount by region in sales.csv", "how many rows has orders.csv"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, escaped, listed, reference, shown
from treadle.serving.offline.sql import Question, aggregate_query, rows_query, values_query
from treadle.serving.offline.table_columns import Words, column_at, without_files
from treadle.serving.offline.table_filters import read_filters
from treadle.serving.offline.table_words import read_question
from treadle.serving.offline.targets import extension
from treadle.serving.offline.token import Kind
from treadle.serving.offline.vocabulary import ASCENDING, FILLERS, STOP_WORDS, VERBS

_FILE_WORDS = frozenset({"line", "byte", "character", "char", "size", "big", "kb", "mb", "word"})
_COMPUTING = frozenset(
    {"by", "per", "group", "grouped", "where", "each", "average", "sum", "which", "total", "mean",
     "median", "maximum", "minimum", "max", "min", "highest", "lowest", "avg", "add"}
)  # fmt: skip
"""Words that ask for more than what a table looks like."""
_ROWS = frozenset({"row", "record", "entry"})
_DESCRIBE = frozenset({"column", "schema", "field", "structure", "header", "describe", "type"})
_COUNTING = frozenset({"row", "record", "entry", "how", "many", "number", "count", "what", "is",
    "are", "was", "does", "csv",
                       "data", "table", "dataset", "exist", "there", "altogether", "overall",
                       "contain", "hold", "include", "parquet", "json"})  # fmt: skip
_TABULAR = frozenset({"by", "per", "group", "grouped", "average", "avg", "mean", "sum", "total",
    "max",
                      "maximum", "min", "minimum", "median", "highest", "lowest", "count",
                      "distinct",
                      "unique", "most", "least", "many", "number", "top", "bottom", "each", "every",
                      "different", "where", "largest", "smallest", "stddev", "deviation", "add",
                      "biggest", "greatest", "fewest", "aggregate", "summed", "averaged",
                      "cheapest", "frequency", "across"})  # fmt: skip


def ask_tables(clause: Clause) -> Draft | None:
    """Answer a question about every table that the request names."""
    tables = clause.targets.tables
    if not tables or len(tables) != len(clause.targets.files) or clause.targets.sets:
        return None
    draft = Draft()
    for path in tables:
        if not _ask(draft, clause, path):
            return None
    return draft


def _ask(draft: Draft, clause: Clause, path: str) -> bool:
    about_file = clause.has(_FILE_WORDS) and not clause.has(
        {"by", "per", "group", "average", "sum", "mean"}
    )
    if about_file:
        return False
    return (
        _values(draft, clause, path)
        or _rows(draft, clause, path)
        or _describe(draft, clause, path)
        or _aggregate(draft, clause, path)
    )


def _describe(draft: Draft, clause: Clause, path: str) -> bool:
    grouped = clause.has(_COMPUTING)
    columns = clause.has(_DESCRIBE) and not grouped
    summary = clause.has({"summarise", "summarize", "summary", "overview"}) and (
        extension(path) in {"csv", "tsv", "parquet"} and not grouped
    )
    counts = clause.has(_ROWS) and clause.has({"many", "number", "count"}) and not grouped
    if counts and not _only_rows(clause):
        counts = False
    if not (columns or counts or summary or clause.says("which columns", "what columns")):
        return False
    table = draft.step("table", "describe_table", {"path": escaped(path)})
    name = shown(path)
    if counts and not columns:
        draft.say(f"{name} has {reference(table, '.rows')} rows.")
        return True
    args: dict[str, JsonValue] = {
        "items": reference(table, ".columns"),
        "line": "- {name} ({type})",
    }
    rendered = draft.step("columns", "render_list", args)
    draft.say(
        f"{name} has {reference(table, '.rows')} rows and these columns:\n{reference(rendered)}"
    )
    return True


def _only_rows(clause: Clause) -> bool:
    """Whether nothing restricts which rows are counted."""
    if clause.has({"distinct", "unique", "different", "with", "whose", "when"}):
        return False
    filters, tokens = read_filters(without_files(clause))
    if filters != ():
        return False
    spoken = [token.stem for token in tokens if token.word]
    return all(
        word in _COUNTING or word in STOP_WORDS | FILLERS | VERBS for word in spoken
    ) and not any(token.kind in (Kind.NUMBER, Kind.QUOTED) for token in tokens)


def _aggregate(draft: Draft, clause: Clause, path: str) -> bool:
    if not clause.has(_TABULAR):
        return False
    stem = path.rpartition("/")[2].rpartition(".")[0]
    question = read_question(clause, stem)
    if question is None:
        return False
    table = _query(draft, path, aggregate_query(path, question))
    name = shown(path)
    columns = question.names
    groups, values = columns[: len(question.groups)], columns[len(question.groups) :]
    said = [shown(each.spoken) for each in question.aggregates]
    if not groups:
        results = [
            f"{spoken}: {reference(table, f'[0].{column}')}"
            for spoken, column in zip(said, values, strict=True)
        ]
        draft.say(f"{name}{_restriction(question)}: {', '.join(results)}.")
        return True
    key = ", ".join(f"{{{each}}}" for each in groups)
    cells = [
        f"{{{column}}}" if len(values) == 1 else f"{spoken} {{{column}}}"
        for spoken, column in zip(said, values, strict=True)
    ]
    line = f"- {key}: {', '.join(cells)}"
    rendered = draft.step("lines", "render_list", {"items": reference(table), "line": line})
    by = listed([shown(each) for each in question.groups])
    if question.limit is not None:
        end = "lowest" if question.ascending else "highest"
        best = question.aggregates[0]
        what = shown(best.column) if best.function in ("min", "max") else said[0]
        first = by if question.limit == 1 else f"{question.limit} {by}"
        draft.say(
            f"The {first} with the {end} {what} in {name}{_restriction(question)}:\n"
            f"{reference(rendered)}"
        )
    else:
        what = listed(said)
        draft.say(
            f"{what[:1].upper()}{what[1:]} by {by} in {name}{_restriction(question)}:\n"
            f"{reference(rendered)}"
        )
    return True


def _values(draft: Draft, clause: Clause, path: str) -> bool:
    """The distinct values of a column, where they themselves are asked for."""
    distinct = clause.has({"distinct", "unique", "different"})
    if not distinct or clause.has({"many", "number", "count", "by", "per"}):
        return False
    filters, tokens = read_filters(without_files(clause))
    words = Words(tokens)
    at = Clause(tokens).position({"distinct", "unique", "different"})
    start = at + 1
    while words.stem(start) in {"value", "of", "in", "for", "the", "entry"}:
        start += 1
    name, _ = column_at(words, start)
    if not name or filters is None:
        return False
    table = _query(draft, path, values_query(path, name, filters))
    args: dict[str, JsonValue] = {"items": reference(table), "line": "- {value}"}
    rendered = draft.step("lines", "render_list", args)
    draft.say(f"The values of {shown(name)} in {shown(path)}:\n{reference(rendered)}")
    return True


def _rows(draft: Draft, clause: Clause, path: str) -> bool:
    """Whole rows: "the first 5 rows of x.csv", "top 3 rows by amount", "rows where ..."."""
    binary = extension(path) == "parquet" and clause.has({"show", "display", "print", "read"})
    filters, tokens = read_filters(without_files(clause))
    if filters is None or not (clause.has(_ROWS) or binary):
        return False
    if clause.has({"many", "number", "count", "per", "each", "average", "sum"}):
        return False
    units = {"row", "record", "entry"}
    ends = {"first", "top", "bottom", "highest", "largest", "lowest", "smallest"}
    number = clause.number_before(units) or clause.number_after(ends)
    words = Words(tokens)
    by = next((k for k in range(len(tokens)) if words.symbol(k) == "by"), -1)
    order = column_at(words, by + 1)[0] if by >= 0 else ""
    extreme = clause.position({"highest", "largest", "lowest", "smallest", "biggest"})
    if not order and extreme >= 0:
        at = next(k for k in range(len(tokens)) if words.symbol(k) in ends | {"biggest"})
        order = column_at(words, at + 1)[0]
        number = number or 1
    if not (
        number
        or order
        or filters
        or clause.has({"show", "display", "list", "print", "see", "preview"})
    ):
        return False
    limit = min(number or 10, 1000)
    sql = rows_query(path, filters, limit, order, ascending=clause.has(ASCENDING))
    table = _query(draft, path, sql)
    args: dict[str, JsonValue] = {"items": reference(table), "line": "{index}. {item}"}
    rendered = draft.step("lines", "render_list", args)
    restriction = _restriction(Question((), filters=filters))
    draft.say(f"Rows of {shown(path)}{restriction} (at most {limit}):\n{reference(rendered)}")
    return True


def _query(draft: Draft, path: str, sql: str) -> str:
    args: dict[str, JsonValue] = {"sql": escaped(sql), "files": [escaped(path)]}
    return draft.step("table", "query_table", args)


def _restriction(question: Question) -> str:
    tests = [
        f"{shown(each.column, 40)} {each.operator} {shown(each.value, 40)}"
        for each in question.filters
    ]
    return f" where {' and '.join(tests)}" if tests else ""
