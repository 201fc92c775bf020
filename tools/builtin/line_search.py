"""Which lines contain a text, in time that is linear in their length.

Python's own expressions may take exponential time, hold the interpreter's lock meanwhile and
cannot be interrupted, so one from a model could stop the whole process. RE2, which duckdb brings
along, takes linear time whatever the expression is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from treadle.core.errors import ToolError

FindLines: TypeAlias = Callable[[Sequence[str]], list[int]]
"""From lines to the indices of those that match."""

_MAX_EXPRESSION = 300
_QUERY = """
    SELECT i - 1
    FROM (SELECT unnest(?::VARCHAR[]) AS line, generate_subscripts(?::VARCHAR[], 1) AS i)
    WHERE regexp_matches(line, ?, ?) ORDER BY i
"""


@contextmanager
def line_search(text: str, *, regex: bool, ignore_case: bool) -> Iterator[FindLines]:
    """What finds the lines that contain `text`, or match it as a regular expression (RE2).

    Raises ToolError: `invalid_arguments`, `bad_pattern`.
    """
    if not text:
        raise ToolError("invalid_arguments", "there is nothing to search for")
    if regex:
        with _expression_search(text, "i" if ignore_case else "c") as find:
            yield find
    else:
        contains = re.compile(re.escape(text), re.IGNORECASE if ignore_case else 0).search
        yield lambda lines: [index for index, line in enumerate(lines) if contains(line)]


@contextmanager
def _expression_search(expression: str, options: str) -> Iterator[FindLines]:
    import duckdb

    if len(expression) > _MAX_EXPRESSION:
        raise ToolError("bad_pattern", f"an expression has at most {_MAX_EXPRESSION} characters")
    with duckdb.connect(":memory:", config={"threads": 1, "temp_directory": ""}) as connection:
        connection.execute("SET enable_external_access = false")

        def find(lines: Sequence[str]) -> list[int]:
            given = [list(lines), list(lines), expression, options]
            try:
                return [int(row[0]) for row in connection.execute(_QUERY, given).fetchall()]
            except duckdb.InvalidInputException as error:
                reason = str(error).strip().splitlines()[0].removeprefix("Invalid Input Error: ")
                raise ToolError(
                    "bad_pattern",
                    f"'{expression}' is not a regular expression as RE2 knows them "
                    f"(no look-around, no back-references): {reason}",
                ) from None

        find([""])
        yield find
