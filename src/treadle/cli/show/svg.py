"""Pieces of SVG and HTML in which nothing can stand that was not meant."""

from __future__ import annotations

import html

from treadle.cli.harmless import one_line


def escaped(text: str, most: int = 200) -> str:
    """`text` for between tags and in quoted attributes: harmless, on one line, at most `most`."""
    return html.escape(one_line(text, most), quote=True)


def element(name: str, content: str = "", **attributes: object) -> str:
    """One element. `content` is markup already; attribute values are escaped here.

    A trailing underscore of an attribute's name is dropped, others become hyphens.
    """
    parts = [name]
    for key, value in attributes.items():
        spelled = key.rstrip("_").replace("_", "-")
        shown = f"{value:.1f}" if isinstance(value, float) else str(value)
        parts.append(f'{spelled}="{html.escape(shown, quote=True)}"')
    return f"<{' '.join(parts)}>{content}</{name}>"
