"""From a task's text to tokens, in one pass and in linear time.

Paths, URLs, dates, quoted texts and numbers are told apart here, once, so that nothing after this
can mistake a path for arithmetic or a date for a subtraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import DOMAINS, EXTENSIONS, NUMBERS

MAX_TOKENS = 3000
"""How much of a task is read; a longer one is cut, and the plan's answer says so."""

_PLAIN = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "´": "'",
        "\u00a0": " ", "–": "-", "−": "-", "‐": "-", "‑": "-", "…": " ", "\u200b": " ",
        "\ufeff": " ", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x0b": " ", "\x0c": " ",
        "\x85": "\n", "，": ",", "；": ";", "？": "?",
        **{chr(code): " " for code in (*range(0x09), *range(0x0E, 0x20), 0x7F)},
    }
)  # fmt: skip

_TLDR = re.compile(r"(?i)tl;dr")
_SPACE = re.compile(r"\s+")
_CHUNK = re.compile(r'[^\s"`—]{1,400}')
_URL = re.compile(r"https?://[^\s<>\"`|\\^{}]{1,2048}", re.IGNORECASE)
_LOCAL = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\]):\d{1,5}(?:/[^\s<>\"`,]{0,2048})?", re.IGNORECASE
)
_BULLET = re.compile(r"[ \t]*(?:\(?\d{1,3}[.)]|\(?[a-z]\)|[-*•+])(?=[ \t])")
_DATE = re.compile(
    r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?:T\d{1,2}:\d{2}(?::\d{2})?(?:Z|[-+]\d{2}:?\d{2})?)?"
)
_EXTENSION = re.compile(r"[\w@+~#%-][\w.@+~#%-]*\.([A-Za-z][A-Za-z0-9]{0,9})|\.[A-Za-z][\w.-]+")
_PATH_CHARACTERS = re.compile(r"[\w./@+~#%&:=-]+")
_GLOB_CHARACTERS = re.compile(r"[\w./@+~#%*?\[\]{},!-]+")
_VERSION = re.compile(r"[vV]?\d+(?:\.\d+){2,}[\w.-]*|[vV]\d[\w.-]*")
_DOMAIN = re.compile(r"(?:[a-z0-9-]{1,63}\.)+([a-z]{2,6})(?::\d{1,5})?(?:/\S*)?", re.IGNORECASE)
_TIMES = re.compile(r"\d+(?:\.\d+)?[xX]\d+(?:\.\d+)?")
_PART = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"
    r"|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.]*[^\W\d_])"
    r"|\.\d+(?!\w)"
    r"|\*\*|//|[<>!=]="
    r"|[^\W\d_][\w]*(?:\+\+|#)(?!\w)"
    r"|\w+(?:['-]\w+)*"
    r"|."
)
_ABBREVIATIONS = frozenset(
    {"e.g", "i.e", "a.m", "p.m", "u.s", "u.k", "vs", "etc", "node.js", "asp.net"}
)
_SLASHED = frozenset(
    {"and/or", "i/o", "n/a", "w/o", "his/her", "km/h", "tcp/ip", "or/and", "he/she"}
)
_NAMES = frozenset({"readme", "changelog", "contributing", "makefile", "dockerfile"})
_CAPITAL_NAMES = frozenset({"LICENSE", "LICENCE", "NOTICE", "AUTHORS", "CODEOWNERS", "License"})
_OPERATORS = {
    "×": "*", "·": "*", "÷": "/", "+": "+", "-": "-", "*": "*", "/": "/", "^": "**", "**": "**",
    "//": "//", "%": "%", "(": "(", ")": ")", "√": "sqrt", "²": "**2", "³": "**3", "=": "=",
    "==": "=", "<": "<", ">": ">", "!": "!", ">=": ">", "<=": "<", "!=": "=",
}  # fmt: skip
_EDGE_LEFT = "([{<"
_EDGE_RIGHT = ")]}>,;:.!?'"


def plain(text: str) -> str:
    """`text` of the same length with typographic characters made plain and controls blanked."""
    return _TLDR.sub("tl_dr", text.translate(_PLAIN))


def scan(text: str) -> tuple[Token, ...]:
    """The first MAX_TOKENS tokens of `text`, in order. Any text at all has some, or none."""
    return tuple(_joined(islice(_Scanner(plain(text)).tokens(), MAX_TOKENS)))


def classify_quoted(value: str) -> Kind:
    """What a quoted text names: a URL, a path, a pattern, or just the text."""
    if not value or len(value) > 400 or "\n" in value:
        return Kind.QUOTED
    if _URL.fullmatch(value):
        return Kind.URL
    if " " not in value:
        kind = _classify(value)
        return kind if kind is Kind.PATH or kind is Kind.GLOB else Kind.QUOTED
    extension = value.rpartition(".")[2].lower()
    known = any(extension in extensions for extensions in EXTENSIONS.values())
    return Kind.PATH if known and not value.startswith(" ") else Kind.QUOTED


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self._closers = [
            at
            for at, character in enumerate(text)
            if character == "'" and not _is_word(text, at + 1) and at and not text[at - 1].isspace()
        ]
        self._closer = 0

    def tokens(self) -> Iterator[Token]:
        text, position = self.text, 0
        line_start = True
        while position < len(text):
            if line_start and (bullet := _BULLET.match(text, position)):
                yield Token(Kind.STOP, "\n", position, bullet.end())
                position, line_start = bullet.end(), False
                continue
            if space := _SPACE.match(text, position):
                breaks = space[0].count("\n")
                line_start = line_start or breaks > 0
                if breaks:
                    kind = Kind.STOP if breaks > 1 else Kind.COMMA
                    yield Token(kind, "\n", position, space.end())
                position = space.end()
                if breaks and text[position - 1] != "\n":
                    # Indentation belongs to the bullet that may follow.
                    position = text.rfind("\n", 0, position) + 1
                    if not _BULLET.match(text, position):
                        position = space.end()
                continue
            line_start = False
            if quoted := self._quoted(position):
                yield quoted
                position = quoted.end
                continue
            if text[position] in '"`—':
                yield Token(Kind.COMMA, ",", position, position + 1)
                position += 1
                continue
            for token in self._chunk(position):
                position = token.end
                yield token

    def _quoted(self, start: int) -> Token | None:
        text = self.text
        mark = text[start]
        if mark not in "\"'`" or (mark == "'" and start and _is_word(text, start - 1)):
            return None
        if mark == "'":
            end = self._closing(start)
        else:
            fence = mark * 3 if text.startswith(mark * 3, start) else mark
            end = text.find(fence, start + len(fence))
            if end >= 0:
                value = text[start + len(fence) : end]
                return _quote(value.strip("\n"), start, end + len(fence))
            return None
        return None if end < 0 else _quote(text[start + 1 : end], start, end + 1)

    def _closing(self, start: int) -> int:
        while self._closer < len(self._closers) and self._closers[self._closer] <= start + 1:
            self._closer += 1
        if self._closer == len(self._closers):
            return -1
        end = self._closers[self._closer]
        return -1 if end - start > 4000 or "\n" in self.text[start:end] else end

    def _chunk(self, start: int) -> Iterator[Token]:
        text = self.text
        if found := (_URL.match(text, start) or _LOCAL.match(text, start)):
            value = _trim_url(found[0])
            end = start + len(value)
            address = value if "://" in value[:8] else f"http://{value}"
            yield Token(Kind.URL, address, start, end)
            return
        found = _CHUNK.match(text, start)
        if found is None:
            yield Token(Kind.COMMA, ",", start, start + 1)
            return
        left, right = start, found.end()
        for edge in range(left, right):
            if text[edge] == "{":
                break
            if text[edge] in ",;" and not _between_digits(text, edge):
                right = max(edge, left + 1)
                break
        yield from _split_chunk(text, left, right)


def _split_chunk(text: str, left: int, right: int) -> Iterator[Token]:
    chunk = text[left:right]
    if chunk in {",", ";", ":", ".", "!", "?"}:
        yield _punctuation(chunk, left)
        return
    inner_left, inner_right = left, right
    while inner_left < inner_right and text[inner_left] in _EDGE_LEFT:
        inner_left += 1
    while inner_right > inner_left and text[inner_right - 1] in _EDGE_RIGHT:
        inner_right -= 1
    core = text[inner_left:inner_right]
    if core.lower().endswith("'s"):
        core = core[:-2]
        inner_right -= 2
    if core and (kind := _classify(core)):
        value = core if kind is not Kind.DATE else core.replace("/", "-").replace(".", "-", 2)
        if kind is Kind.URL:
            value = f"https://{core}"
        yield Token(
            kind, value.replace("\\", "/") if kind is Kind.PATH else value, left, inner_right
        )
        yield from _trailing(text, inner_right, right)
        return
    if _TIMES.fullmatch(core):
        first, _, second = core.lower().partition("x")
        middle = inner_left + len(first)
        yield Token(Kind.NUMBER, first, left, middle)
        yield Token(Kind.OPERATOR, "*", middle, middle + 1)
        yield Token(Kind.NUMBER, second, middle + 1, inner_right)
        yield from _trailing(text, inner_right, right)
        return
    yield from _parts(text, left, right)


def _parts(text: str, left: int, right: int) -> Iterator[Token]:
    position = left
    while position < right:
        found = _PART.match(text, position, right)
        end = found.end() if found else position + 1
        part = text[position:end]
        if (part == "!" and not (position > left and text[position - 1].isdigit())) or (
            part in ",;:.!?" and part != "!"
        ):
            yield _punctuation(part, position)
        elif part in _OPERATORS:
            yield Token(Kind.OPERATOR, _OPERATORS[part], position, end)
        elif part[0].isdecimal() or (part[0] == "." and len(part) > 1):
            number = part.replace(",", "")
            is_number = part.isascii() and _is_number(number)
            yield Token(Kind.NUMBER if is_number else Kind.WORD, number, position, end)
        elif part[0].isalnum() or part[0] == "_":
            yield from _word(part, position, end)
        elif part not in "$€£'":
            yield Token(Kind.COMMA, part, position, end)
        else:
            yield Token(Kind.WORD, "", position, end)
        position = end


def _word(part: str, start: int, end: int) -> Iterator[Token]:
    lower = part.lower()
    for suffix in ("'s", "'re"):
        if lower.endswith(suffix):
            stem = part[: -len(suffix)]
            yield Token(Kind.WORD, stem, start, end)
            if lower in {"what's", "which's", "where's", "how's", "there's", "when's", "what're"}:
                yield Token(Kind.WORD, "is", start, end)
            return
    head, hyphen, tail = part.partition("-")
    if hyphen and head.lower() in NUMBERS and tail.lower() not in NUMBERS:
        # "two-sentence"
        middle = start + len(head)
        yield Token(Kind.WORD, head, start, middle)
        yield Token(Kind.WORD, tail, middle + 1, end)
        return
    yield Token(Kind.WORD, part, start, end)


def _trailing(text: str, start: int, end: int) -> Iterator[Token]:
    for at in range(start, end):
        if text[at] in ",;:.!?":
            yield _punctuation(text[at], at)


def _punctuation(mark: str, at: int) -> Token:
    kind = {",": Kind.COMMA, ":": Kind.COLON}.get(mark, Kind.STOP)
    return Token(kind, mark, at, at + 1)


def _classify(core: str) -> Kind | None:
    """What `core`, a run of characters without spaces, is; None for words and expressions."""
    if len(core) > 1000 or core.lower() in _ABBREVIATIONS or "://" in core:
        return None
    if _DATE.fullmatch(core):
        return Kind.DATE
    letters = any(character.isalpha() for character in core)
    if ("*" in core or "?" in core) and _GLOB_CHARACTERS.fullmatch(core):
        return Kind.GLOB if _is_glob(core, letters) else None
    if not letters or _VERSION.fullmatch(core):
        return None
    if core.lower() in _NAMES or core in _CAPITAL_NAMES:
        return Kind.PATH
    return _classify_path(core.replace("\\", "/"))


def _is_glob(core: str, letters: bool) -> bool:
    if core in {"**/*", "*.*"}:
        return True
    return letters and (
        "/" in core
        or core.startswith("*")
        or core.endswith("*")
        or re.search(r"\.[a-z]", core) is not None
    )


def _classify_path(core: str) -> Kind | None:
    if not _PATH_CHARACTERS.fullmatch(core) or core.lower() in _SLASHED:
        return None
    if "@" in core and "/" not in core:
        return None
    domain = _DOMAIN.fullmatch(core)
    if domain and domain[1].lower() in DOMAINS:
        return Kind.URL
    if ":" in core:
        return None
    if "/" in core:
        words = [part for part in core.split("/") if part]
        return Kind.PATH if words and not core.endswith("//") else None
    found = _EXTENSION.fullmatch(core)
    if found is None or core.endswith("."):
        return None
    extension = found[1]
    if extension is None:
        return Kind.PATH
    known = extension.lower() in EXTENSIONS
    return Kind.PATH if known or extension.islower() or extension.isupper() else None


def _joined(tokens: Iterator[Token]) -> Iterator[Token]:
    """`tokens` with "1)" in the middle of a line taken for the mark of a list."""
    listed = [*tokens]
    open_brackets = 0
    at = 0
    while at < len(listed):
        token = listed[at]
        after = listed[at + 1] if at + 1 < len(listed) else None
        mark = token.kind is Kind.NUMBER and token.text.isdigit() and len(token.text) < 3
        closed = after is not None and after.text == ")" and after.start == token.end
        if mark and closed and after is not None and open_brackets == 0:
            yield Token(Kind.STOP, "\n", token.start, after.end)
            at += 2
            continue
        if _is_item_mark(listed, at):
            yield Token(Kind.STOP, "\n", token.start, listed[at + 2].end)
            at += 3
            continue
        if token.kind is Kind.OPERATOR and token.text in "()":
            open_brackets = max(0, open_brackets + (1 if token.text == "(" else -1))
        yield token
        at += 1


def _is_item_mark(tokens: list[Token], at: int) -> bool:
    """Whether "(2)" stands at `at` before a word and after no operator."""
    group = tokens[at : at + 4]
    if [each.text for each in (*group[:1], *group[2:3])] != ["(", ")"] or len(group) < 4:
        return False
    number, after = group[1], group[3]
    before = tokens[at - 1] if at else None
    joined = before is not None and (before.kind is Kind.OPERATOR or before.end == group[0].start)
    short = len(number.text) < (3 if number.kind is Kind.NUMBER else 2)
    return short and after.kind is Kind.WORD and not joined


def _quote(value: str, start: int, end: int) -> Token:
    return Token(classify_quoted(value), value, start, end, quoted=True)


def _trim_url(url: str) -> str:
    glued = url.find(",http", 1)
    url = url[:glued] if glued > 0 else url
    while url and url[-1] in ".,;:!?'*)]>":
        if url[-1] == ")" and url.count("(") >= url.count(")"):
            break
        url = url[:-1]
    return url


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _between_digits(text: str, at: int) -> bool:
    return text[at] == "," and text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit()


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < 1e300
    except ValueError:
        return False
