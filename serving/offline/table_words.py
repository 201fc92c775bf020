"""From the words of a request to a question about a table."""

from __future__ import annotations

from dataclasses import replace

from treadle.serving.offline.clause import Clause
from treadle.serving.offline.sql import Aggregate, Question
from treadle.serving.offline.table_columns import (
    AGGREGATES,
    ENDS,
    ROWS,
    SKIPS,
    TAILS,
    Words,
    column_at,
    name_of,
    without_files,
)
from treadle.serving.offline.table_filters import read_filters
from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import singular

_EXTREMES = {"highest": False, "largest": False, "biggest": False, "greatest": False, "most": False,
             "top": False, "max": False, "maximum": False, "best": False, "lowest": True,
             "smallest": True, "least": True, "min": True, "minimum": True, "fewest": True,
             "bottom": True, "worst": True, "cheapest": True, "leading": False, "more": False,
             "larger": False, "higher": False, "lower": True, "less": True}  # fmt: skip


_MASSES = frozenset({"sales", "revenues", "expenses", "costs", "scores", "prices", "amounts",
    "payments", "donations",
                     "earnings", "profits", "temperatures", "hours", "budgets", "points",
                     "goals"})  # fmt: skip
"""Plurals that are summed and not counted ("total sales"), even in a file of that name."""


_RANKED = frozenset({"rank", "sort", "order", "compare", "ranking"})


_PLACES = frozenset(
    {
        "for",
        "in",
        "during",
        "from",
        "on",
        "at",
        "within",
        "only",
        "of",
        "about",
        "than",
        "excluding",
        "except",
        "without",
    }
)


_DEEDS = frozenset(
    {"sold", "sells", "sell", "bought", "buys", "buy", "made", "makes", "earned", "earns", "spent",
     "spends", "ordered", "shipped", "ships", "produced", "produces", "generated", "generates",
     "used", "uses", "got", "gets", "brought", "received", "paid", "delivered", "consumed"}
)  # fmt: skip


_BY = frozenset({"by", "per"})


def read_question(clause: Clause, stem: str) -> Question | None:
    """The question that a request asks; `stem` is the file's name without its extension.

    None where there is none, or where a part of it (a filter) is not understood.
    """
    tokens = _as_totals(without_files(clause))
    filters, tokens = read_filters(tokens)
    if filters is None:
        return None
    words = Words(tokens)
    groups = _groups(words)
    aggregates = _aggregates(words, stem, set(groups))
    limit, ascending, key = _extreme(words, stem)
    if key and not groups:
        groups = [key]
    if not groups:
        limit = None
    elif groups and aggregates and key:
        aggregates = [each for each in aggregates if each.column not in groups] or aggregates
    if (
        not aggregates
        and groups
        and (_mentions_rows(words, stem) or clause.has({"count", "many", "number"}))
    ):
        aggregates = [Aggregate("count")]
    if not aggregates and groups:
        value = _leading_column(words)
        aggregates = [Aggregate("sum", value)] if value and value not in groups else []
    if not aggregates or _restricted(words, groups, aggregates, limit):
        return None
    return Question(tuple(dict.fromkeys(aggregates)), tuple(groups), filters, limit, ascending)


def _as_totals(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """ "sold the most metres" as "has the most total metres": who did most, did so in all."""
    read: list[Token] = []
    for at, token in enumerate(tokens):
        follows = [each.word for each in tokens[at + 1 : at + 3]]
        done = token.word in _DEEDS and bool({"most", "least", "fewest"}.intersection(follows))
        read.append(replace(token, text="has") if done else token)
        deed = tokens[at - 2 : at] if tokens[at - 1].word == "the" else tokens[at - 1 : at]
        if token.word in {"most", "least", "fewest"} and deed and deed[0].word in _DEEDS:
            read.append(replace(token, text="total"))
    return tuple(read)


def _restricted(
    words: Words, groups: list[str], aggregates: list[Aggregate], limit: int | None
) -> bool:
    """Whether something restricts the question that was not understood ("in 2024", "for north").

    To leave it out would answer another question than the one asked.
    """
    starts = sum(_group_start(words, at) is not None for at in range(len(words.tokens)))
    if starts > max(len(groups), 1):
        return True
    used = {*groups, *(each.column for each in aggregates)}
    spoken = {word.lower() for name in used for word in name.split()}
    known = spoken | {singular(word) for word in spoken} | set(AGGREGATES) | ENDS | SKIPS | TAILS
    known |= {
        "total",
        "order",
        "terms",
        "percent",
        "rows",
        "row",
        "csv",
        "parquet",
        "json",
        "sorted",
    }
    for at, token in enumerate(words.tokens):
        if token.kind in (Kind.NUMBER, Kind.DATE) and token.text not in {str(limit), "1"}:
            return True
        if token.quoted and token.text.strip() not in used and token.kind is Kind.QUOTED:
            return True
        if (
            words.symbol(at) in _PLACES
            and words.symbol(at + 1)
            and words.symbol(at + 1) not in known
        ):
            return words.stem(at + 1) not in known
    return False


def _groups(words: Words) -> list[str]:
    groups: list[str] = []
    for at in range(len(words.tokens)):
        start = _group_start(words, at)
        if start is None:
            continue
        while True:
            name, end = column_at(words, start)
            if name and name not in groups and singular(name) not in AGGREGATES:
                groups.append(name)
            nearby = words.symbol(end) in {"and", "&"} and _group_like(words, end + 1)
            if not name or not nearby:
                break
            start = end + 1
        if groups:
            return groups
    return groups


def _group_start(words: Words, at: int) -> int | None:
    word, after = words.symbol(at), words.symbol(at + 1)
    ordering = words.symbol(at - 1) in {"sorted", "sort", "ordered", "order", "rank", "ranked"}
    if word in _BY and not ordering:
        # "top 5 products by revenue": what follows is the value, not the group.
        after_article = words.symbol(at + 2) if after in {"the", "their"} else after
        value = after_article in AGGREGATES or _top_before(words, at)
        return None if word == "by" and value else at + 1
    if (word in {"for", "in", "of", "from"} and after in {"each", "every"}) or word == "across":
        return at + 2 if after in {"each", "every", "all"} else at + 1
    if word in {"each", "every"} and words.symbol(at - 1) not in {"for", "in", "of", "by", "from"}:
        return at + 1
    return None


def _group_like(words: Words, at: int) -> bool:
    """Whether another group follows "and", rather than another aggregate or request."""
    name, end = column_at(words, at)
    return bool(name) and words.symbol(at) not in AGGREGATES and words.symbol(end) not in _BY


def _top_before(words: Words, at: int) -> bool:
    for back in range(max(0, at - 5), at):
        if words.symbol(back) in {"top", "bottom", "best", "worst", "leading"}:
            return True
    return False


def _aggregates(words: Words, stem: str, groups: set[str]) -> list[Aggregate]:
    found: list[Aggregate] = []
    pending: list[str] = []
    at = 0
    while at < len(words.tokens):
        function = AGGREGATES.get(words.symbol(at))
        if (
            function is None
            or words.symbol(at + 1) == "first"
            or (words.symbol(at) == "top" and _count_noun(words, at))
        ):
            at += 1
            continue
        start = at + 1
        while words.symbol(start) in SKIPS and not (
            words.symbol(start) in AGGREGATES
            and function != "count"
            and AGGREGATES[words.symbol(start)] != "count"
        ):
            start += 1
        if words.symbol(start) in AGGREGATES:
            # "highest total amount": the extreme orders, the other function computes.
            plain = words.symbol(at) not in _EXTREMES and words.symbol(start) not in _EXTREMES
            if plain and function != "count":
                pending.append(function)
            at = start
            continue
        name, end = column_at(words, start)
        if words.symbol(start) in {"and", "&", ","} or not name:
            another = words.symbol(start + 1) in AGGREGATES
            if another and function not in ("count", "count_distinct"):
                pending.append(function)
                at = start + 1
                continue
        aggregate = _aggregate(function, name, stem, groups)
        if aggregate is not None:
            found += [Aggregate(each, aggregate.column) for each in pending if aggregate.column]
            pending = []
            found.append(aggregate)
        at = max(end, start, at + 1)
    return found


def _aggregate(function: str, name: str, stem: str, groups: set[str]) -> Aggregate | None:
    rows = _is_rows(name, stem)
    if function == "count" or (rows and function in ("sum", "max", "min")):
        return Aggregate("count") if rows or not name or function == "count" else None
    if not name or name in groups or name.lower() in TAILS:
        return None
    return Aggregate(function, name)


def _is_rows(name: str, stem: str) -> bool:
    word = name.lower().rpartition(" ")[2]
    if singular(word) in ROWS:
        return True
    return (
        singular(word) == singular(stem.lower()) and word != singular(word) and word not in _MASSES
    )


def _mentions_rows(words: Words, stem: str) -> bool:
    return any(token.stem in ROWS or token.stem == singular(stem.lower()) for token in words.tokens)


def _count_noun(words: Words, at: int) -> bool:
    return words.tokens[at + 1].kind is Kind.NUMBER if at + 1 < len(words.tokens) else True


def _extreme(words: Words, stem: str) -> tuple[int | None, bool, str]:
    """How many groups are asked for, from which end, and the group that "which ..." names."""
    del stem
    at = next((k for k in range(len(words.tokens)) if words.symbol(k) in _EXTREMES), -1)
    if at < 0:
        return None, False, _ranked(words)
    ascending = _EXTREMES[words.symbol(at)]
    clause = Clause(words.tokens)
    number = clause.number_at(at + 1) or clause.number_at(at - 1)
    which = next((k for k in range(at) if words.symbol(k) in {"which", "what"}), -1)
    if which >= 0 and words.symbol(which + 1) not in {"is", "are", "was", "the", "were"}:
        name, _ = column_at(words, which + 1)
        number = clause.number_at(which + 1) or number
        if clause.number_at(which + 1):
            name, _ = column_at(words, which + 2)
        if name and singular(name.lower()) not in {"row", "record", "column"}:
            return number or 1, ascending, name
    if words.symbol(at) in {"top", "bottom", "best", "worst", "leading"} and number:
        name, end = column_at(words, at + 2)
        if name and words.symbol(end) == "by" and singular(name.lower()) not in ROWS:
            return number, ascending, name
    if ranked := _ranked(words):
        return None, ascending, ranked
    with_at = next((k for k in range(at) if words.symbol(k) in {"with", "having"}), -1)
    if with_at > 0:
        begin = with_at
        while (
            begin > 0
            and words.tokens[begin - 1].word
            and words.symbol(begin - 1)
            not in (ENDS | {"the", "find", "show", "list", "give", "me", "name", "get", "what"})
        ):
            begin -= 1
        name = name_of(words, begin, with_at)
        if name and singular(name.lower()) not in ROWS:
            return number or 1, ascending, name
    return None, ascending, ""


def _ranked(words: Words) -> str:
    """The column of "rank the regions by total amount"."""
    at = next((k for k in range(len(words.tokens)) if words.stem(k) in _RANKED), -1)
    start = at + 2 if words.symbol(at + 1) in {"the", "all", "each", "every"} else at + 1
    if at < 0 or words.symbol(start) in AGGREGATES:
        return ""
    return column_at(words, start)[0]


def _leading_column(words: Words) -> str:
    """The column before "by": "revenue by country"."""
    at = next((k for k in range(len(words.tokens)) if words.symbol(k) in _BY), -1)
    if _top_before(words, at) and at >= 0:
        return column_at(words, at + 1)[0]
    begin = at
    while begin > 0 and words.tokens[begin - 1].kind in (Kind.WORD, Kind.QUOTED) and words.symbol(
        begin - 1
    ) not in ENDS | {"the", "show", "give", "me", "list", "compute", "get", "what", "calculate",
        "find",
                      "grouped", "group", "display", "compare", "report", "broken", "rank",
                      "plot"}:  # fmt: skip
        begin -= 1
    return name_of(words, begin, at) if at > 0 else ""
