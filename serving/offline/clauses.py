"""Splitting a task into its parts: sentences, list items, and requests joined by "and"."""

from __future__ import annotations

from treadle.serving.offline.targets import find_targets
from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import (
    EXTENSIONS,
    FILE_NOUNS,
    FILLERS,
    MEASURES,
    OPENERS,
    QUESTIONS,
    VERBS,
)

_JOINERS = frozenset({"and", "then", "also", "&", "plus", "afterwards", "finally", "next", "lastly",
                      "additionally", "but", "secondly", "thirdly", "while"})  # fmt: skip
_NOUN_VERBS = frozenset({"sum", "average", "total", "count", "mean", "order", "name", "head",
    "tail",
                         "report", "number", "square", "double", "output", "print",
                         "list", "size", "group", "summary", "gist", "rank", "sort", "check",
                         "copy",
                         "post", "look", "work", "do", "show", "state", "tally", "difference",
                         "product"})  # fmt: skip
"""Starters that may as well be nouns: they start a request only after one that is complete."""
_NOUN_STARTS = frozenset({"number", "sum", "average", "total", "mean", "difference", "product",
                          "count", "size", "square", "summary", "gist", "largest", "smallest",
                          "longest", "shortest", "newest", "oldest", "biggest", "current",
                          "rows"})  # fmt: skip
_EMPTY = frozenset({"following", "things", "thing", "do", "tasks", "task", "compute", "calculate",
                    "answer", "questions", "question", "these", "this", "everything", "tell",
                    "give",
                    "find", "out", "show", "work", "figure", "say", "report", "list", "steps",
                    "results", "result", "independently", "separately", "parallel", "time",
                    "same", "below", "above", "sentence", "perform", "run", "carry", "back",
                    "with", "what", "about", "appreciate", "appreciated", "much", "very", "advance",
                    "day", "nice", "if", "possible", "see", "them", "afternoon", "evening", "night",
                    "bye", "there", "everyone", "assistant", "quick", "few", "couple", "some",
                    "have", "got", "on", "is", "my", "your", "be", "answers", "three", "two",
                    "at", "once"})  # fmt: skip
_LEADS = frozenset({"for", "in", "of", "from", "under", "with", "given", "regarding", "concerning",
                    "about", "inside", "within", "per", "on", "take", "consider",
                    "using"})  # fmt: skip


_NAMING = (Kind.PATH, Kind.GLOB, Kind.URL, Kind.QUOTED, Kind.NUMBER, Kind.DATE)
_NOUNS = FILE_NOUNS | frozenset(EXTENSIONS) | {"folder", "directory"}
_VERBAL = frozenset(
    {"the", "all", "how", "every", "each", "me", "up", "out", "them", "it", "which", "what",
     "these", "those", "both", "my", "any"}
)  # fmt: skip
"""What follows a word that is meant as a verb."""
_JOINING = frozenset(
    {"and", "or", "the", "file", "files", "", "vs", "page", "pages", "these", "with"}
)
_LOOK = 100
"""How many tokens of a part are looked at to decide where it ends."""


def split(tokens: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """The parts of a task, in order; none of them is empty."""
    parts: list[list[Token]] = [[]]
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind is Kind.STOP:
            parts.append([])
            at += 1
            continue
        if not _separates(token):
            parts[-1].append(token)
            at += 1
            continue
        after = at + 1
        while after < len(tokens) and _separates(tokens[after]):
            after += 1
        start = after
        while start < min(len(tokens), after + 12) and _opens(tokens[start]):
            start += 1
        if parts[-1] and _begins_request(tokens, start, parts[-1], token):
            parts.append([])
            at = start
        else:
            parts[-1].extend(tokens[at:after])
            at = after
    return _gathered([tuple(part) for part in parts if part])


def is_filler(tokens: tuple[Token, ...]) -> bool:
    """Whether nothing is asked here ("please do the following", "thanks")."""
    words = {token.word for token in tokens}
    if words & {"what", "which"} and words & {"time", "day", "date"}:
        return False
    return all(
        token.kind in (Kind.COMMA, Kind.COLON, Kind.STOP)
        or (token.kind is Kind.WORD and (not token.word or token.word in FILLERS | _EMPTY))
        for token in tokens
    )


def is_preamble(tokens: tuple[Token, ...]) -> bool:
    """Whether the part only says what the next is about ("for every *.md under docs")."""
    words = {token.word for token in tokens} | {token.stem for token in tokens}
    first = next((token.word for token in tokens if token.word), "")
    if first in _LEADS:
        return not words & ((VERBS | {"how", "what", "which"}) - {"take", "look", "do"})
    return not words & (VERBS | QUESTIONS | set(MEASURES) | {"by", "summary", "per", "longer"})


def _separates(token: Token) -> bool:
    if token.kind in (Kind.COMMA, Kind.COLON):
        return True
    return token.word in _JOINERS and not token.quoted


def _opens(token: Token) -> bool:
    return token.word in OPENERS


def _begins_request(
    tokens: tuple[Token, ...], at: int, before: list[Token], separator: Token
) -> bool:
    if at >= len(tokens):
        return False
    token = tokens[at]
    if separator.kind is Kind.COLON and _only_targets(tuple(before)):
        return True
    if _begins_arithmetic(tokens, at, before):
        return True
    if (
        token.word in {"of", "for"}
        and at + 1 < len(tokens)
        and tokens[at + 1].word in {"each", "every"}
    ):
        return False
    if any(each.word == "first" for each in tokens[at + 1 : at + 3]) and token.stem in _NOUN_STARTS:
        return False
    first = token
    if token.word in {"the", "a", "an"} and at + 1 < len(tokens):
        first = tokens[at + 1]
        if first.stem in _NOUN_STARTS or first.word in _NOUN_STARTS:
            ahead = tokens[at + 2 : at + 7]
            files = any(each.stem in FILE_NOUNS or each.kind is Kind.GLOB for each in ahead)
            return _complete(tuple(before)) or (files and find_targets(tuple(before[:_LOOK])).any)
        return False
    if first.word in {"is", "are", "do", "does", "has", "have"}:
        return separator.word != "and" or not _is_condition(before)
    if first.word in _NOUN_VERBS or first.word in _NOUN_STARTS:
        following = tokens[at + 1].word if at + 1 < len(tokens) else ""
        verbal = following in _VERBAL
        if first.word in VERBS and verbal:
            return True
        if first.word in {"list", "show", "rank", "sort", "print", "check", "group"}:
            return following != "" and following not in {"by", "of", "in", "and"}
        targets = [each for each in tokens[at + 1 : at + 3] if each.kind in (Kind.GLOB, Kind.PATH)]
        return _complete(tuple(before)) or (first.word == "count" and bool(targets))
    return first.word in VERBS or first.word in QUESTIONS


def _is_condition(before: list[Token]) -> bool:
    return any(token.word in {"where", "whose", "when"} for token in before)


def _begins_arithmetic(tokens: tuple[Token, ...], at: int, before: list[Token]) -> bool:
    """Whether an expression starts here, and is no further item of a list of numbers."""
    token = tokens[at]
    number = token.kind is Kind.NUMBER or (token.kind is Kind.OPERATOR and token.text == "(")
    if not number or not before or before[-1].kind is Kind.NUMBER or before[-1].text == ")":
        return False
    ahead = tokens[at + 1 : at + 3]
    signs = {"plus", "minus", "times", "divided", "multiplied", "percent"}
    operated = any(
        (each.kind is Kind.OPERATOR and each.text not in "()<>=") or each.word in signs
        for each in ahead
    )
    # After "compute": the expression belongs to the verb before it.
    return operated and (_complete(tuple(before)) or len(before) > 3)


def _complete(tokens: tuple[Token, ...]) -> bool:
    """Whether a request stands there that needs nothing more: it has a target or a number."""
    if len(tokens) > _LOOK:
        return True
    if not any(token.kind in _NAMING or token.stem in _NOUNS for token in tokens):
        return False
    targets = find_targets(tokens)
    if targets.tables:
        return any(token.word in {"by", "per", "rows", "columns"} for token in tokens)
    numbers = any(token.kind in (Kind.NUMBER, Kind.DATE) for token in tokens)
    return targets.any or numbers


def _only_targets(tokens: tuple[Token, ...]) -> bool:
    return is_preamble(tokens) and find_targets(tokens[:_LOOK]).any


def _gathered(parts: list[tuple[Token, ...]]) -> list[tuple[Token, ...]]:
    """`parts` with lists of bare targets joined to the request that they belong to."""
    gathered: list[tuple[Token, ...]] = []
    open_request = False
    for part in parts:
        bare = is_bare_targets(part)
        if bare and gathered and open_request:
            gathered[-1] = (*gathered[-1], *part)
            continue
        gathered.append(part)
        targets = find_targets(part[:_LOOK])
        announced = {token.word for token in part} & {"following", "these", "below", "those"}
        named = targets.files or targets.urls or (targets.any and not announced)
        open_request = not named and not bare and not is_filler(part)
    return gathered


def is_bare_targets(tokens: tuple[Token, ...]) -> bool:
    """Whether there is nothing but names of files or pages, and words that join them."""
    named = False
    for token in tokens:
        if token.kind in (Kind.PATH, Kind.URL, Kind.GLOB) or token.quoted:
            named = True
        elif (token.kind is Kind.WORD and token.word not in _JOINING) or token.kind in (
            Kind.NUMBER,
            Kind.OPERATOR,
            Kind.DATE,
        ):
            return False
    return named
