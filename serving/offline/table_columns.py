"""How a request names the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.serving.offline.clause import Clause
from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import singular

AGGREGATES = {
    "sum": "sum", "total": "sum", "totals": "sum", "sums": "sum", "overall": "sum",
    "aggregate": "sum", "average": "avg", "avg": "avg", "mean": "avg", "averages": "avg",
    "averaged": "avg", "totalled": "sum", "totaled": "sum", "summed": "sum", "add": "sum",
    "max": "max", "maximum": "max", "highest": "max", "largest": "max", "biggest": "max",
    "greatest": "max", "peak": "max", "latest": "max", "hottest": "max", "most": "max",
    "top": "max",
    "min": "min", "minimum": "min", "lowest": "min", "smallest": "min", "least": "min",
    "earliest": "min", "fewest": "min", "bottom": "min", "median": "median", "stddev": "stddev",
    "std": "stddev", "deviation": "stddev", "distinct": "count_distinct",
    "unique": "count_distinct", "different": "count_distinct", "count": "count",
    "number": "count", "many": "count", "counts": "count", "tally": "count",
    "frequency": "count", "summing": "sum", "averaging": "avg", "counting": "count",
    "totalling": "sum", "totaling": "sum",
}  # fmt: skip
"""Words for the functions of `sql.FUNCTIONS`."""


ROWS = frozenset({"row", "record", "entry", "line", "item", "observation"})
"""Words for a table's rows, in the singular."""


ENDS = frozenset(
    {"by", "per", "in", "from", "for", "where", "whose", "when", "grouped", "group", "across", "of",
     "and", "or",
     "with", "each", "every", "is", "are", "has", "have", "had", "using", "sorted", "order",
     "ordered", "broken",
     "split", "then", "within", "out", "inside", "on", "does", "do", "there", "which", "that",
     "as", "aggregated", "descending",
     "ascending", "overall", "between", "to", "at", "over", "please", "if", "only", "restricted",
     "exist", "occur", "appear",
     "was", "were", "limited"}
)  # fmt: skip
"""Words that a column's name ends before."""


SKIPS = frozenset({"the", "a", "an", "of", "all", "value", "column", "field", "its", "their",
    "up", "for", "me",
                    "any", "each", "every", "number", "count", "total"})  # fmt: skip
"""Words between a function and its column."""


TAILS = frozenset(
    {"column", "value", "field", "figure", "file", "table", "data", "dataset", "group", "wise"}
)
"""Words after a column's name that do not belong to it."""


@dataclass(frozen=True, slots=True)
class Words:
    """The tokens of a request about a table, the file's name and its preposition taken out."""

    tokens: tuple[Token, ...]

    def symbol(self, at: int) -> str:
        """The word or the sign at `at`; empty for everything else."""
        if not 0 <= at < len(self.tokens):
            return ""
        token = self.tokens[at]
        return token.text if token.kind is Kind.OPERATOR else "" if token.quoted else token.word

    def stem(self, at: int) -> str:
        """The word at `at` in the singular."""
        return singular(self.symbol(at))


def without_files(clause: Clause) -> tuple[Token, ...]:
    """The request's tokens without the names of files and the words that lead to them."""
    kept: list[Token] = []
    names = {file.path for file in clause.targets.files}
    for token in clause.tokens:
        if token.kind is Kind.PATH and token.text.removeprefix("./") in names:
            while kept and kept[-1].word in {"in", "from", "of", "for", "within", "the", "file",
                "table", "using", "inside",
                                            "on", "dataset", "at", "does"}:  # fmt: skip
                kept.pop()
            kept.append(Token(Kind.COMMA, ",", token.start, token.end))
        else:
            kept.append(token)
    return tuple(kept)


def column_at(words: Words, at: int) -> tuple[str, int]:
    """The column named from `at` on, and where the name ends."""
    while words.symbol(at) in {"the", "column", "field", "their", "its", "different", "each"}:
        at += 1
    if at < len(words.tokens) and words.tokens[at].quoted:
        return words.tokens[at].text.strip()[:100], at + 1
    end = at
    while end < len(words.tokens) and end - at < 5:
        token = words.tokens[end]
        if (
            token.kind is not Kind.WORD
            or not token.text
            or token.quoted
            or words.symbol(end) in ENDS
        ):
            break
        if end > at and words.symbol(end) in {"the", "a", "an", *AGGREGATES}:
            break
        end += 1
    return name_of(words, at, end), end


def name_of(words: Words, at: int, end: int) -> str:
    """The tokens from `at` to `end` as one name, without words like "column" around it."""
    parts = [token.text.strip() for token in words.tokens[at:end] if token.text.strip()]
    while len(parts) > 1 and singular(parts[-1].lower()) in TAILS:
        parts.pop()
    while len(parts) > 1 and parts[0].lower() in {"the", "column", "field"}:
        parts.pop(0)
    return " ".join(parts)[:100]
