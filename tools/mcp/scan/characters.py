"""Characters that a person does not see, or that command a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ESCAPE = re.compile(
    # CSI and OSC sequences with what belongs to them; then any other control.
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
"""What a terminal would obey. Tabs, newlines and carriage returns before them are text."""

_HIDDEN = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
"""Default-ignorable characters, direction marks, tags, variation selectors, private planes."""

_JOINERS = "\u200c\u200d"
_PRESENTATION = "\ufe0e\ufe0f"
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{2,6}\U000e007f")
"""The three flags of the United Kingdom's countries are spelled with tags."""

_KEYCAPS = "0123456789#*"


def hidden_in(text: str) -> list[int]:
    """Where characters hide in `text`; those that scripts and emoji need are none."""
    if text.isascii():
        return []
    flags = [(each.start(), each.end()) for each in _FLAG.finditer(text)]
    return [
        each.start()
        for each in _HIDDEN.finditer(text)
        if not _is_needed(text, each.start())
        and not any(start < each.start() < end for start, end in flags)
    ]


def spelled(text: str) -> str:
    """`text` with hidden characters and terminal commands spelled out, like `\\u{200b}`."""
    places = set(hidden_in(text))
    if places:
        text = "".join(_spell(each) if index in places else each for index, each in enumerate(text))
    return ESCAPE.sub(lambda found: "".join(map(_spell_control, found[0])), text)


def without_hidden(text: str, replace: Callable[[str], str] = lambda _: "") -> str:
    """`text` as a person sees it: what hides gives way to `replace` of it."""
    return _HIDDEN.sub(lambda found: replace(found[0]), text)


def tagged_text(text: str) -> str:
    """What is written in `text` with tag characters or variation selectors, which nobody sees."""
    found = ""
    for each in text:
        code = ord(each)
        if 0xE0020 <= code <= 0xE007E:
            found += chr(code - 0xE0000)
        elif 0xE0100 <= code <= 0xE01EF and 0x20 <= code - 0xE0100 + 16 < 0x7F:
            found += chr(code - 0xE0100 + 16)
    return found


def scripts_mixed_in(text: str) -> str | None:
    """The first word of `text` that mixes Latin letters with look-alikes of another script."""
    if text.isascii():
        return None
    for word in re.findall(r"\w+", text):
        scripts = {_script(each) for each in word if each.isalpha()}
        if "LATIN" in scripts and scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}:
            return str(word)
    return None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _is_needed(text: str, index: int) -> bool:
    each = text[index]
    before = text[index - 1] if index else ""
    after = text[index + 1] if index + 1 < len(text) else ""
    if each in _PRESENTATION:
        return bool(before) and (
            unicodedata.category(before) in ("So", "Sm", "Po") or before in _KEYCAPS
        )
    if each in _JOINERS:
        if not before or not after:
            return False
        if (
            unicodedata.category(before) in ("So", "Sk", "Mn")
            and unicodedata.category(after) == "So"
        ):
            return each == "\u200d"
        # Persian, Hindi and their neighbours join and part letters with them.
        return _joins(before) and _joins(after)
    return False


def _joins(letter: str) -> bool:
    return unicodedata.category(letter) in ("Lo", "Mn", "Mc") and not letter.isascii()


def _spell(each: str) -> str:
    return f"\\u{{{ord(each):x}}}"


def _spell_control(each: str) -> str:
    code = ord(each)
    return f"\\x{code:02x}" if code < 0x20 or 0x7F <= code < 0xA0 else each
