"""The readable text of an HTML page.

One pass with plain searches that never look back: the standard library's parser takes quadratic
time on pages that are made for it (a megabyte of `<a ` keeps it busy for hours).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_RAW = ("script", "style", "noscript", "template", "svg", "iframe", "textarea", "title")
"""Elements that are skipped whole, up to their end tag; a title is kept apart."""

_BLOCKS = frozenset(
    {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article",
     "header", "footer", "table", "ul", "ol", "pre", "blockquote", "td", "th", "main", "nav",
     "body", "dt", "dd", "figcaption", "option", "hr"}
)  # fmt: skip
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9-]{0,30})")
_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in _RAW}
_ENDLESS_NUMBER = re.compile(r"&#\d{8,}")


def read_page(text: str) -> tuple[str, str]:
    """`(title, text)` of a page; scripts and styles left out, one line per block."""
    titles: list[str] = []
    pieces = list(_pieces(text, titles))
    title = " ".join(_unescaped("".join(titles[:1])).split())
    lines = (" ".join(line.split()) for line in _unescaped("".join(pieces)).split("\n"))
    return title, "\n".join(line for line in lines if line)


def _pieces(text: str, titles: list[str]) -> Iterator[str]:
    """The texts between the tags, blocks apart; what stands in a title goes to `titles`."""
    last_quote = text.rfind('"')
    position = 0
    while (tag := text.find("<", position)) >= 0:
        yield text[position:tag].replace("\n", " ")
        if text.startswith("<!--", tag):
            position = _after(text, "-->", tag + 4)
            continue
        name = _NAME.match(text, tag + 1)
        if name is None:
            markup = text.startswith(("<!", "<?", "</"), tag)
            if not markup:
                yield "<"
            position = _after(text, ">", tag + 1) if markup else tag + 1
            continue
        end = _after(text, ">", name.end())
        if end <= last_quote and text.count('"', tag, end) % 2:
            # The ">" stands in an attribute's value.
            end = _after(text, ">", _after(text, '"', end))
        position = end
        element = name[1].lower()
        if element in _BLOCKS:
            yield "\n"
        elif element in _ENDS and text[tag + 1] != "/" and text[end - 2 : end] != "/>":
            close = _ENDS[element].search(text, end)
            stop = len(text) if close is None else close.start()
            if element == "title":
                titles.append(text[end:stop])
            position = stop
    yield text[position:].replace("\n", " ")


def _after(text: str, mark: str, start: int) -> int:
    """Where the text goes on behind the next `mark`; its end if there is none."""
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def _unescaped(text: str) -> str:
    return html.unescape(_ENDLESS_NUMBER.sub("\ufffd", text))
