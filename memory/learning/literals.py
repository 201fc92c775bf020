"""What a task names: the numbers, texts, paths, addresses, dates and names in it.

The rest of the task, to the letter, is what it asks for. So a task is a row of segments with
literals between them, and two tasks ask for the same thing only where all segments are the same.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_QUOTED = r"\"(?P<double>[^\"\n]{1,500})\"|“(?P<curly>[^”\n]{1,500})”|`(?P<code>[^`\n]{1,500})`"
_SINGLE = r"(?<!\w)'(?P<single>[^'\n]{1,500})'(?!\w)"
_URL = r"(?P<url>[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s\"'<>`|]{1,2000}[^\s\"'<>`|.,;:!?)\]}])"
_EMAIL = r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?![\w-]))"
_DATE = r"(?P<date>(?<![\w.-])\d{4}-\d{2}-\d{2}(?![\w-]))"
_PATH = (
    r"(?P<path>(?<![\w./~-])(?:(?:~|\.{1,2})?/)?[\w-][\w.@+-]*(?:/[\w.@+-]*[\w@+-])+/?(?![\w/])"
    r"|(?<![\w./~-])[\w-][\w.-]*\.[A-Za-z][A-Za-z0-9]{0,7}(?![\w/-])"
    r"|(?<![\w./~-])(?:~|\.{1,2})?/[\w.@+-]*[\w@+-](?![\w/]))"
)
_DECIMAL = r"(?P<decimal>(?<![\w.,])\d{1,300}\.\d{1,300}(?![\w]|[.,]\d))"
_INT = r"(?P<int>(?<![\w.,])\d{1,300}(?![\w]|[.,]\d))"
_NAME = r"(?P<name>(?<!\w)[^\W\d_]\w*(?:[’'-]\w+)*(?!\w))"
_LITERAL = re.compile(
    "|".join((_QUOTED, _SINGLE, _URL, _EMAIL, _DATE, _PATH, _DECIMAL, _INT, _NAME))
)

_TEXTS = frozenset({"double", "curly", "code", "single"})
_SENTENCE_ENDS = frozenset(".!?:;\n-*(")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SPACE = re.compile(r"\s+")

# What carries the meaning of a sentence is none of its names, however it is written.
_WORDS = """a an and any all are as at be both but by can do does did each either every except
exclude excluding few for from had has have how if in include including into is it its last least
less like many may more most much neither never no none nor not now of off on once only or other out
over per same should since so some such than that the their then there these they this those
through to under unless until up was were what when where which while who whom whose why will
with within without would yet you your i my me we our us he she his her him today tomorrow
yesterday always"""
_NO_NAMES = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Slot:
    """A literal of a task.

    kind: `int`, `year` (1900 to 2099), `decimal`, `date`, `text` (quoted), `email`, `name`,
        `path:SHAPE:EXTENSION` and `url:HOST:EXTENSION`: what is done with one kind of file, or one
        site, may not fit another.
        The shape of a path is `name`, `folders` or `absolute`.
    """

    kind: str
    value: str

    @property
    def is_number(self) -> bool:
        """Whether it is one that JSON could hold as a number, too."""
        return self.kind in ("int", "year", "decimal")


@dataclass(frozen=True, slots=True)
class Wording:
    """A task with its literals taken out: `segments` has one more entry than `slots`."""

    segments: tuple[str, ...]
    slots: tuple[Slot, ...]

    @property
    def key(self) -> str:
        """What is the same for tasks that differ in the values of literals only; a hash."""
        digest = hashlib.blake2b(digest_size=16)
        for segment in self.segments:
            digest.update(segment.encode("utf-8", "surrogatepass") + b"\0")
        for slot in self.slots:
            digest.update(slot.kind.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()

    def asks_the_same(self, other: Wording) -> bool:
        """Whether both are the same but for the values of their literals."""
        return self.segments == other.segments and self._kinds == other._kinds

    @property
    def _kinds(self) -> tuple[str, ...]:
        return tuple(slot.kind for slot in self.slots)

    def shown(self) -> str:
        """The task with `{kind}` in place of each literal, for persons."""
        parts = [self.segments[0]]
        for slot, segment in zip(self.slots, self.segments[1:], strict=True):
            parts += ["{" + slot.kind.split(":")[0] + "}", segment]
        return "".join(parts)


def wording(task: str) -> Wording:
    """Take the literals out of `task`."""
    text = unicodedata.normalize("NFC", task).strip()
    segments: list[str] = []
    slots: list[Slot] = []
    end = 0
    for start, stop, slot in _found(text):
        segments.append(text[end:start])
        slots.append(slot)
        end = stop
    segments.append(text[end:])
    return Wording(_smoothed(segments), tuple(slots))


def _found(text: str) -> Iterator[tuple[int, int, Slot]]:
    pending: tuple[int, int, Slot] | None = None
    for match in _LITERAL.finditer(text):
        group = match.lastgroup
        assert group is not None
        start, stop = match.span(group)
        value = match[group]
        if group == "name":
            if not _is_name(text, start, value):
                continue
            if pending is not None and text[pending[1] : start] == " ":
                pending = pending[0], stop, Slot("name", text[pending[0] : stop])
                continue
        if pending is not None:
            yield pending
        pending = None
        if group == "name":
            pending = start, stop, Slot("name", value)
        else:
            yield start, stop, Slot(_kind(group, value), value)
    if pending is not None:
        yield pending


def _is_name(text: str, start: int, value: str) -> bool:
    """Whether a word is a proper name: written so in the middle of a sentence, not all in capitals
    (words are, for emphasis), and no word that sentences are made with."""
    if len(value) < 2 or not value[0].isupper() or value.isupper():
        return False
    if value.casefold() in _NO_NAMES:
        return False
    before = text[:start].rstrip(" ")
    return bool(before) and before[-1] not in _SENTENCE_ENDS


def _kind(group: str, value: str) -> str:
    if group in _TEXTS:
        return "text"
    if group == "path":
        return f"path:{_shape(value)}:{_extension(value)}"
    if group == "url":
        try:
            parts = urlsplit(value)
        except ValueError:
            return f"url:{value}:"  # no URL after all: the same as itself only
        return f"url:{parts.scheme}//{parts.netloc.casefold()}:{_extension(parts.path)}"
    return "year" if group == "int" and _YEAR.fullmatch(value) else group


def _shape(path: str) -> str:
    if path.startswith(("/", "~")):
        return "absolute"
    return "folders" if "/" in path else "name"


def _extension(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[1].casefold() if "." in name.lstrip(".") else ""


def _smoothed(segments: list[str]) -> tuple[str, ...]:
    """Segments without what says nothing: runs of spaces, the first capital, the last full stop."""
    smooth = [_SPACE.sub(" ", each) for each in segments]
    first = smooth[0].lstrip()
    smooth[0] = first[:1].lower() + first[1:] if not first[:2].isupper() else first
    smooth[-1] = smooth[-1].rstrip().removesuffix(".").removesuffix("!").rstrip()
    return tuple(smooth)
