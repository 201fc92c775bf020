"""Which rows a request is about: "where status is paid and amount is over 10"."""

from __future__ import annotations

from treadle.serving.offline.sql import Filter
from treadle.serving.offline.table_columns import AGGREGATES, ENDS, ROWS, Words, name_of
from treadle.serving.offline.token import Kind, Token

_OPERATORS = (
    (("is", "not", "equal", "to"), "<>"), (("is", "not"), "<>"), (("does", "not", "equal"), "<>"),
    (("is", "greater", "than"), ">"), (("is", "more", "than"), ">"), (("is", "larger", "than"),
    ">"),
    (("is", "higher", "than"), ">"), (("is", "bigger", "than"), ">"), (("is", "less", "than"), "<"),
    (("is", "lower", "than"), "<"), (("is", "smaller", "than"), "<"), (("is", "at", "least"), ">="),
    (("is", "at", "most"), "<="), (("is", "over"), ">"), (("is", "above"), ">"), (("is", "under"),
    "<"),
    (("is", "below"), "<"), (("is", "after"), ">"), (("is", "before"), "<"), (("is", "equal",
    "to"), "="),
    (("equal", "to"), "="), (("equals",), "="), (("greater", "than"), ">"), (("more", "than"), ">"),
    (("larger", "than"), ">"), (("less", "than"), "<"), (("at", "least"), ">="), (("at", "most"),
    "<="),
    (("over",), ">"), (("above",), ">"), (("under",), "<"), (("below",), "<"), (("after",), ">"),
    (("before",), "<"), (("exceeds",), ">"), (("is",), "="), (("was",), "="), (("are",), "="),
    (("of",), "="),
    (("=",), "="), (("<>",), "<>"), ((">",), ">"), (("<",), "<"),
)  # fmt: skip


_HAVING = frozenset({"have", "has", "having", "with"})


def _start(tokens: tuple[Token, ...]) -> int | None:
    """Where the filters start: at "where", or at "with", "have", ... before a comparison."""
    words = Words(tokens)
    for at, token in enumerate(tokens):
        if at and token.word in {"where", "whose", "when"}:
            return at
    for at, token in enumerate(tokens):
        if token.word in _HAVING | {"for"} and _filter(words, at + 1):
            return at
    counted = False
    for at, token in enumerate(tokens):
        if counted and token.word in _HAVING and _bare_filter(words, at + 1):
            return at
        counted = counted or token.word in {"many", "number"} or token.stem in ROWS
    return None


def read_filters(tokens: tuple[Token, ...]) -> tuple[tuple[Filter, ...] | None, tuple[Token, ...]]:
    """The filters after "where", and the tokens without them; None for filters not understood."""
    start = _start(tokens)
    if start is None:
        return (), tokens
    words = Words(tokens)
    filters: list[Filter] = []
    at = start + 1
    while True:
        parsed = _filter(words, at) or _bare_filter(words, at)
        if parsed is None:
            return None, tokens
        found, at = parsed
        filters.append(found)
        if words.symbol(at) not in {"and", "&"} or _filter(words, at + 1) is None:
            break
        at += 1
    return tuple(filters), (*tokens[:start], *tokens[at:])


def _filter(words: Words, at: int) -> tuple[Filter, int] | None:
    while words.symbol(at) in {"the", "their", "its"}:
        at += 1
    for end in range(at, min(at + 5, len(words.tokens))):
        for phrase, operator in _OPERATORS:
            if end == at or any(words.symbol(end + k) != part for k, part in enumerate(phrase)):
                continue
            name = name_of(words, at, end)
            value, after = _value(words, end + len(phrase))
            return (Filter(name, operator, value), after) if name and value is not None else None
        if words.tokens[end].kind not in (Kind.WORD, Kind.QUOTED) or words.symbol(end) in {
            "by",
            "per",
        }:
            return None
    return None


def _bare_filter(words: Words, at: int) -> tuple[Filter, int] | None:
    """ "have status paid": one word for the column, one value, and nothing after it."""
    while words.symbol(at) in {"the", "a", "an"}:
        at += 1
    if (
        at + 1 >= len(words.tokens)
        or not words.symbol(at)
        or words.symbol(at) in ENDS | set(AGGREGATES)
    ):
        return None
    if words.stem(at) in ROWS:
        return None
    value, end = _value(words, at + 1)
    rest = words.tokens[end:]
    if value is None or any(token.kind is not Kind.COMMA for token in rest):
        return None
    return Filter(words.tokens[at].text, "=", value), end


def _value(words: Words, at: int) -> tuple[str | None, int]:
    while words.symbol(at) in {"the", "a", "an", "="}:
        at += 1
    if at >= len(words.tokens):
        return None, at
    token = words.tokens[at]
    if token.quoted or token.kind in (Kind.DATE, Kind.PATH, Kind.URL, Kind.NUMBER):
        return token.text, at + 1
    if (
        words.symbol(at) == "-"
        and at + 1 < len(words.tokens)
        and words.tokens[at + 1].kind is Kind.NUMBER
    ):
        return f"-{words.tokens[at + 1].text}", at + 2
    end = at
    while end < len(words.tokens) and words.tokens[end].word and words.symbol(end) not in ENDS:
        end += 1
    return (name_of(words, at, end) or None), max(end, at + 1)
