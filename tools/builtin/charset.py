"""From the bytes of a page to its text."""

from __future__ import annotations

import codecs
import re

_KNOWN = re.compile(
    r"utf-?8|utf-?16|utf-?32|us-ascii|ascii|latin-?1|iso-?8859|iso2022|windows-|cp\d|koi8|mac"
    r"|shift|sjis|euc|gb|big5|hz|tis-620",
    re.IGNORECASE,
)
"""Codecs of texts: among the others are some that take quadratic time or raise errors."""

_BYTE_ORDER_MARKS = (
    # The longest first: that of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = {
    "html": re.compile(rb"<meta\s[^<>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.I),
    "xml": re.compile(rb"^\s{0,9}<\?xml\s[^<>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})"),
}
_HEAD = 1024
"""Bytes in which HTML's standard has a declaration stand."""


def decoded(body: bytes, content_type: str) -> str:
    """`body` as text, by its byte order mark, its header or its own declaration; else UTF-8.

    What does not fit is replaced, as browsers do.
    """
    for mark, charset in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body.decode(charset, "replace")
    charset = _of_header(content_type) or _of_markup(body[:_HEAD], content_type) or "utf-8"
    if not _KNOWN.match(charset):
        charset = "utf-8"
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _of_header(content_type: str) -> str | None:
    from email.message import Message as Header

    header = Header()
    header["content-type"] = content_type
    return header.get_content_charset()


def _of_markup(head: bytes, content_type: str) -> str | None:
    kind = content_type.partition(";")[0].lower()
    for name, declaration in _DECLARED.items():
        found = declaration.search(head) if name in kind else None
        if found is not None:
            charset = found[1].decode("ascii", "replace").lower()
            # Whoever can read the declaration as bytes of ASCII is not in UTF-16.
            return "utf-8" if charset.startswith(("utf-16", "utf-32")) else charset
    return None
