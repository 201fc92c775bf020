"""Arithmetic in words and signs: from tokens to expressions that `calculate` takes.

A recursive-descent parser over the tokens: "15% of 240", "sum of 3, 4 and 5", "7 times 8 minus 3".
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import NUMBERS

_DEPTH = 40
_ADDING = {"plus": "+", "minus": "-", "+": "+", "-": "-", "less": "-"}
_SCALING = {"times": "*", "x": "*", "*": "*", "/": "/", "//": "//", "over": "/", "mod": "%",
            "modulo": "%", "%": "%"}  # fmt: skip
_FUNCTIONS = {"sqrt": "sqrt", "abs": "abs", "min": "min", "max": "max", "round": "round",
              "floor": "floor", "ceil": "ceil", "log": "log", "ln": "log", "log10": "log10",
              "log2": "log2", "exp": "exp", "sin": "sin", "cos": "cos", "tan": "tan",
              "factorial": "factorial"}  # fmt: skip
_COMMANDS = {
    "add": ("to", "+", True),
    "subtract": ("from", "-", True),
    "deduct": ("from", "-", True),
    "take": ("from", "-", True),
    "multiply": ("by", "*", False),
    "divide": ("by", "/", False),
    "raise": ("to", "**", False),
}
"""Verbs: the word between their numbers, the operator, and whether the numbers change places."""
_AGGREGATES = frozenset({"sum", "total", "average", "avg", "mean", "product", "difference",
                         "maximum", "max", "largest", "biggest", "highest", "minimum", "min",
                         "smallest", "lowest", "quotient", "ratio", "add", "multiply"})  # fmt: skip
_FRACTIONS = {"half": "2", "third": "3", "quarter": "4", "fourth": "4", "fifth": "5", "tenth": "10"}
_SKIPPED = frozenset({"the", "a", "an", "of", "numbers", "number", "value", "values", "between",
    "up",
                      "these", "following", "together"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expression:
    """What `calculate` is given, how the user wrote it, and where it ends among the tokens."""

    text: str
    spoken: str
    start: int
    end: int
    computed: bool


@dataclass(frozen=True, slots=True)
class _Parsed:
    text: str
    end: int
    computed: bool = False


def expressions(tokens: tuple[Token, ...]) -> list[Expression]:
    """All expressions and plain numbers among `tokens`, in order."""
    found: list[Expression] = []
    at = 0
    while at < len(tokens):
        parsed = _command(tokens, at) or _expression(tokens, at, 0)
        if parsed is None or parsed.end <= at or len(parsed.text) > 2000:
            at += 1
            continue
        found.append(
            Expression(
                parsed.text, _spoken(tokens[at : parsed.end]), at, parsed.end, parsed.computed
            )
        )
        at = parsed.end
    return found


def _command(tokens: tuple[Token, ...], at: int) -> _Parsed | None:
    """ "add 3 to 4", "subtract 3 from 10", "multiply 3 by 4", "divide 10 by 2"."""
    verb = _word(tokens, at)
    if verb not in _COMMANDS:
        return None
    link, operator, swapped = _COMMANDS[verb]
    first = _expression(tokens, at + 1, 0)
    if first is None:
        return None
    middle = first.end
    linked = _word(tokens, middle)
    if linked not in {link, "and", "with", "by"}:
        return None
    middle += 1
    while _word(tokens, middle) in {"the", "power", "of"}:
        middle += 1
    second = _expression(tokens, middle, 0)
    if second is None:
        return None
    left, right = (second, first) if swapped and linked == link else (first, second)
    return _Parsed(f"({left.text}) {operator} ({right.text})", second.end, computed=True)


def _expression(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    left = _term(tokens, at, depth)
    while left is not None:
        sign = _ADDING.get(_symbol(tokens, left.end))
        if sign is None:
            return left
        right = _term(tokens, left.end + 1, depth)
        if right is None:
            return left
        left = _Parsed(f"{left.text} {sign} {right.text}", right.end, computed=True)
    return None


def _term(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    left = _power(tokens, at, depth)
    while left is not None:
        operator, start = _scaling(tokens, left.end)
        if not operator:
            return left
        right = _power(tokens, start, depth)
        if right is None:
            return left
        left = _Parsed(f"{left.text} {operator} {right.text}", right.end, computed=True)
    return None


def _scaling(tokens: tuple[Token, ...], at: int) -> tuple[str, int]:
    symbol = _symbol(tokens, at)
    if symbol in {"multiplied", "divided"}:
        if _word(tokens, at + 1) in {"by", "with"}:
            return ("*" if symbol == "multiplied" else "/"), at + 2
        return "", at
    return _SCALING.get(symbol, ""), at + 1


def _power(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    base = _postfix(tokens, at, depth)
    if base is None:
        return None
    after = base.end
    if _symbol(tokens, after) == "**":
        start = after + 1
    elif _word(tokens, after) == "raised" or _phrase(tokens, after, "to", "the", "power"):
        start = after
        while _word(tokens, start) in {"raised", "to", "the", "power", "of"}:
            start += 1
    else:
        return base
    exponent = _power(tokens, start, depth + 1) if depth < _DEPTH else None
    if exponent is None:
        return base
    return _Parsed(f"{base.text} ** {exponent.text}", exponent.end, computed=True)


def _postfix(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    parsed = _primary(tokens, at, depth)
    while parsed is not None:
        symbol = _symbol(tokens, parsed.end)
        if symbol in {"**2", "squared", "**3", "cubed"}:
            exponent = "2" if symbol in {"**2", "squared"} else "3"
            parsed = _Parsed(f"({parsed.text}) ** {exponent}", parsed.end + 1, computed=True)
        elif symbol == "!" or (symbol == "factorial" and not _starts(tokens, parsed.end + 1)):
            parsed = _Parsed(f"factorial({parsed.text})", parsed.end + 1, computed=True)
        elif symbol in {"%", "percent"} and not _starts(tokens, parsed.end + 1):
            share = _Parsed(f"({parsed.text} / 100)", parsed.end + 1, computed=False)
            if _word(tokens, share.end) not in {"of", "from"} or depth > _DEPTH:
                return share
            whole = _power(tokens, _skip(tokens, share.end), depth + 1)
            if whole is None:
                return share
            parsed = _Parsed(f"({share.text} * {whole.text})", whole.end, computed=True)
        else:
            return parsed
    return None


def _primary(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    if depth > _DEPTH or at >= len(tokens):
        return None
    token = tokens[at]
    if token.kind is Kind.NUMBER:
        return _Parsed(token.text, at + 1)
    symbol = _symbol(tokens, at)
    if symbol in {"-", "minus", "negative", "+"}:
        inner = _power(tokens, at + 1, depth + 1)
        sign = "" if symbol == "+" else "-"
        return inner and _Parsed(f"{sign}{inner.text}", inner.end, inner.computed)
    if symbol == "(":
        inner = _expression(tokens, at + 1, depth + 1)
        if inner is None or _symbol(tokens, inner.end) != ")":
            return None
        return _Parsed(f"({inner.text})", inner.end + 1, inner.computed)
    if token.kind is Kind.WORD and token.word:
        return _named(tokens, at, depth) or _number_words(tokens, at)
    if symbol == "sqrt":
        inner = _primary(tokens, at + 1, depth + 1)
        return inner and _Parsed(f"sqrt({inner.text})", inner.end, computed=True)
    return None


def _named(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    """A function or an aggregate by its name."""
    word = _word(tokens, at)
    if word in {"the", "a", "an", "result", "value"} and at + 1 < len(tokens):
        return _named(tokens, at + 1, depth + 1) if depth < _DEPTH else None
    if word in {"square", "cube", "cubic"} and _word(tokens, at + 1) == "root":
        inner = _primary(tokens, _skip(tokens, at + 2), depth + 1)
        if inner is None:
            return None
        text = f"sqrt({inner.text})" if word == "square" else f"({inner.text}) ** (1 / 3)"
        return _Parsed(text, inner.end, computed=True)
    if word in {"square", "cube", "double", "twice", "triple", "absolute"}:
        inner = _primary(tokens, _skip(tokens, at + 1), depth + 1)
        form = {"square": "({}) ** 2", "cube": "({}) ** 3", "triple": "3 * ({})",
                "absolute": "abs({})"}.get(word, "2 * ({})")  # fmt: skip
        return inner and _Parsed(form.format(inner.text), inner.end, computed=True)
    if word in _FRACTIONS and _word(tokens, at + 1) == "of":
        inner = _primary(tokens, _skip(tokens, at + 1), depth + 1)
        return inner and _Parsed(f"({inner.text}) / {_FRACTIONS[word]}", inner.end, computed=True)
    if word in _FUNCTIONS and _symbol(tokens, at + 1) == "(":
        return _call(tokens, at, depth, _FUNCTIONS[word])
    if word in _FUNCTIONS and word not in _AGGREGATES:
        inner = _primary(tokens, _skip(tokens, at + 1), depth + 1)
        return inner and _Parsed(f"{_FUNCTIONS[word]}({inner.text})", inner.end, computed=True)
    if word == "remainder":
        inner = _expression(tokens, _skip(tokens, at + 1), depth + 1)
        text = inner.text.replace(" / ", " % ") if inner else ""
        return _Parsed(text, inner.end, computed=True) if inner and " % " in text else None
    return _aggregate(tokens, at, depth) if word in _AGGREGATES else None


def _call(tokens: tuple[Token, ...], at: int, depth: int, name: str) -> _Parsed | None:
    items, end = _items(tokens, at + 2, depth, calls=True)
    if not items or _symbol(tokens, end) != ")":
        return None
    return _Parsed(f"{name}({', '.join(items)})", end + 1, computed=True)


def _aggregate(tokens: tuple[Token, ...], at: int, depth: int) -> _Parsed | None:
    word = _word(tokens, at)
    start = _skip(tokens, at + 1)
    items, end = _items(tokens, start, depth, calls=False)
    if len(items) == 1 and items[0].startswith("(") and word in {"sum", "average", "mean", "avg"}:
        items, end = _items(tokens, start + 1, depth, calls=True)
        end += 1
    if len(items) < 2:
        return None
    joined = [f"({item})" if " " in item else item for item in items]
    if word in {"sum", "total", "add"}:
        text = f"({' + '.join(joined)})"
    elif word in {"average", "avg", "mean"}:
        text = f"(({' + '.join(joined)}) / {len(items)})"
    elif word in {"product", "multiply"}:
        text = f"({' * '.join(joined)})"
    elif word == "difference":
        text = f"abs({joined[0]} - {joined[1]})"
    elif word in {"quotient", "ratio"}:
        text = f"({joined[0]} / {joined[1]})"
    else:
        name = "max" if word in {"maximum", "max", "largest", "biggest", "highest"} else "min"
        text = f"{name}({', '.join(items)})"
    return _Parsed(text, end, computed=True)


def _items(tokens: tuple[Token, ...], at: int, depth: int, *, calls: bool) -> tuple[list[str], int]:
    """Expressions with commas or "and" between them, and where they end."""
    items: list[str] = []
    end = at
    position = at
    while depth < _DEPTH:
        parsed = _expression(tokens, position, depth + 1)
        if parsed is None:
            break
        items.append(parsed.text)
        end = position = parsed.end
        while position < len(tokens) and (
            tokens[position].kind is Kind.COMMA
            or _word(tokens, position) in {"and", "with", "to", "&", "by"}
        ):
            position += 1
        if position == end and (calls or not _starts(tokens, position)):
            break
    return items, end


def _number_words(tokens: tuple[Token, ...], at: int) -> _Parsed | None:
    """ "twenty three", "two hundred and five"."""
    total = current = 0
    end = at
    while end < len(tokens) and (token := tokens[end]).kind is Kind.WORD:
        parts = token.word.split("-")
        values = [NUMBERS.get(part) for part in parts]
        if any(value is None for value in values):
            if not (token.word == "and" and current >= 100 and _number(tokens, end + 1)):
                break
            end += 1
            continue
        for value in values:
            assert value is not None
            if value >= 1000:
                total, current = (total + (current or 1) * value), 0
            elif value == 100:
                current = (current or 1) * 100
            elif current and current % 100 and not (current % 10 == 0 and value < 10):
                return _Parsed(str(total + current), end) if end > at else None
            else:
                current += value
        end += 1
    return _Parsed(str(total + current), end) if end > at else None


def _number(tokens: tuple[Token, ...], at: int) -> bool:
    word = _word(tokens, at)
    return bool(word) and all(part in NUMBERS for part in word.split("-"))


def _starts(tokens: tuple[Token, ...], at: int) -> bool:
    """Whether a number or a bracket stands at `at`."""
    if at >= len(tokens):
        return False
    return tokens[at].kind is Kind.NUMBER or tokens[at].text == "(" or _number(tokens, at)


def _skip(tokens: tuple[Token, ...], at: int) -> int:
    while _word(tokens, at) in _SKIPPED or (at < len(tokens) and tokens[at].kind is Kind.COLON):
        at += 1
    return at


def _phrase(tokens: tuple[Token, ...], at: int, *words: str) -> bool:
    return all(_word(tokens, at + offset) == word for offset, word in enumerate(words))


def _word(tokens: tuple[Token, ...], at: int) -> str:
    return tokens[at].word if 0 <= at < len(tokens) and not tokens[at].quoted else ""


def _symbol(tokens: tuple[Token, ...], at: int) -> str:
    if not 0 <= at < len(tokens):
        return ""
    token = tokens[at]
    return token.text if token.kind is Kind.OPERATOR else token.word


def _spoken(tokens: tuple[Token, ...]) -> str:
    """The tokens as one text, spaced as the user spaced them."""
    if not tokens:
        return ""
    parts = [tokens[0].text]
    for before, token in itertools.pairwise(tokens):
        parts.append((" " if token.start > before.end else "") + token.text)
    return "".join(parts)
