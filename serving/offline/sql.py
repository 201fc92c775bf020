"""SQL over one table whose columns are known by their spoken names only.

No text of the user becomes SQL syntax: column names go into regular expressions inside string
literals, values into string literals, the table's name into a quoted identifier.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from treadle.serving.offline.vocabulary import singular

_NO_WORD = re.compile(r"[\W_]+", re.ASCII)
# The digits that SQL knows: those of other scripts are part of a text.
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:T\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_UNSAFE_NAME = re.compile(r"[^A-Za-z0-9_]")
FUNCTIONS = ("sum", "avg", "min", "max", "median", "stddev", "count", "count_distinct")
_SPOKEN = {"sum": "total", "avg": "average", "min": "lowest", "max": "highest",
           "count_distinct": "distinct", "stddev": "standard deviation of"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of FUNCTIONS over a column; `count` counts rows and has none."""

    function: str
    column: str = ""

    @property
    def spoken(self) -> str:
        """How an answer names it."""
        if not self.column:
            return "rows"
        return f"{_SPOKEN.get(self.function, self.function)} {self.column}"


@dataclass(frozen=True, slots=True)
class Filter:
    """A row is kept where `column` compares with `value`; `operator` is =, <>, >, <, >= or <=."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a table.

    groups: the columns to group by; limit: how many groups, ties included.
    """

    aggregates: tuple[Aggregate, ...]
    groups: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    limit: int | None = None
    ascending: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the result's columns: groups, then aggregates."""
        taken: list[str] = []
        for spoken in (*self.groups, *(each.spoken for each in self.aggregates)):
            name = _NO_WORD.sub("_", spoken.lower()).strip("_")[:50] or "value"
            name = name if name[0].isalpha() else f"c_{name}"
            number = 2
            while name in taken:
                name, number = f"{name.rstrip('0123456789')}{number}", number + 1
            taken.append(name)
        return tuple(taken)


def table_name(path: str) -> str:
    """The quoted identifier under which `query_table` knows the file at `path`."""
    stem = path.replace("\\", "/").rpartition("/")[2]
    stem = stem.rpartition(".")[0] or stem
    return '"' + _UNSAFE_NAME.sub("_", stem) + '"'


def literal(text: str) -> str:
    """`text` as a string literal."""
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"


def column(name: str) -> str:
    """An expression for the column that is spoken of as `name`: case, `_`, `-`, spaces and a
    plural `s` make no difference."""
    words = [word for word in re.split(r"[\s_-]+", name.lower()) if word] or [name]
    last = words[-1]
    one = singular(last)
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    endings = dict.fromkeys((last, one, many))
    ending = "|".join(re.escape(each) for each in endings)
    start = "".join(f"{re.escape(word)}[ _-]*" for word in words[:-1])
    return f"COLUMNS({literal(f'(?i)^{start}(?:{ending})$')})"


def aggregate_query(path: str, question: Question) -> str:
    """The SELECT statement for `question` about the file at `path`."""
    names = [f'"{name}"' for name in question.names]
    groups = [f"g{at}" for at in range(len(question.groups))]
    values = [f"v{at}" for at in range(len(question.aggregates))]
    columns = [
        f"{column(name)} AS {alias}" for name, alias in zip(question.groups, groups, strict=True)
    ]
    columns += [
        f"{column(each.column)} AS {alias}"
        for each, alias in zip(question.aggregates, values, strict=True)
        if each.column
    ]
    columns += [f"{column(each.column)} AS f{at}" for at, each in enumerate(question.filters)]
    picked = [*groups]
    picked += [_call(each, value) for each, value in zip(question.aggregates, values, strict=True)]
    selected = [f"{each} AS {name}" for each, name in zip(picked, names, strict=True)]
    parts = [f"SELECT {', '.join(selected)}", f"FROM {_source(path, columns)}"]
    parts += [*_where(question)]
    if groups:
        parts.append(f"GROUP BY {', '.join(groups)}")
        order = "ASC" if question.ascending else "DESC"
        if question.limit is not None:
            best = picked[len(groups)]
            parts.append(f"QUALIFY rank() OVER (ORDER BY {best} {order}) <= {question.limit}")
        rest = "".join(f", {name}" for name in names[: len(groups)])
        parts.append(f"ORDER BY {names[len(groups)]} {order}{rest}")
    return " ".join(parts)


def values_query(path: str, name: str, filters: tuple[Filter, ...]) -> str:
    """The distinct values of a column."""
    columns = [f"{column(name)} AS g0"]
    columns += [f"{column(each.column)} AS f{at}" for at, each in enumerate(filters)]
    parts = [f"SELECT DISTINCT g0 AS value FROM {_source(path, columns)}"]  # noqa: S608 - quoted
    parts += _where(Question((), filters=filters))
    return " ".join([*parts, "ORDER BY 1"])


def rows_query(
    path: str, filters: tuple[Filter, ...], limit: int, order: str, *, ascending: bool
) -> str:
    """Whole rows: the first ones, or the first by a column."""
    columns = [f"{column(each.column)} AS treadle_f{at}" for at, each in enumerate(filters)]
    hidden = [f"treadle_f{at}" for at in range(len(filters))]
    if order:
        columns.append(f"{column(order)} AS treadle_order")
        hidden.append("treadle_order")
    exclude = f" EXCLUDE ({', '.join(hidden)})" if hidden else ""
    source = _source(path, [*columns, "*"])
    parts = [f"SELECT *{exclude} FROM {source}"]  # noqa: S608 - all names are quoted
    parts += [*_where(Question((), filters=filters), "treadle_f")]
    if order:
        parts.append(f"ORDER BY treadle_order {'ASC' if ascending else 'DESC'}")
    return " ".join([*parts, f"LIMIT {limit}"])


def _source(path: str, columns: list[str]) -> str:
    selected = ", ".join(columns) or "1 AS one"
    return f"(SELECT {selected} FROM {table_name(path)}) AS picked"  # noqa: S608 - all quoted


def _call(aggregate: Aggregate, value: str) -> str:
    function = aggregate.function
    if not aggregate.column:
        return "count(*)"
    if function == "count_distinct":
        return f"count(DISTINCT {value})"
    if function in ("count", "min", "max"):
        return f"{function}({value})"
    return f"round({function}({value}), 6)"


def _where(question: Question, prefix: str = "f") -> list[str]:
    if not question.filters:
        return []
    tests = [_test(each, f"{prefix}{at}") for at, each in enumerate(question.filters)]
    return [f"WHERE {' AND '.join(tests)}"]


def _test(each: Filter, alias: str) -> str:
    operator = each.operator if each.operator in {"=", "<>", ">", "<", ">=", "<="} else "="
    if _NUMBER.fullmatch(each.value):
        return f"TRY_CAST({alias} AS DOUBLE) {operator} {each.value}"
    if _DATE.fullmatch(each.value):
        return f"TRY_CAST({alias} AS TIMESTAMP) {operator} CAST({literal(each.value)} AS TIMESTAMP)"
    return f"lower(CAST({alias} AS VARCHAR)) {operator} lower({literal(each.value)})"
