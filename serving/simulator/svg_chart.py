"""Two kinds of chart, as SVG to stand in a page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

_WIDTH, _HEIGHT = 860.0, 320.0
_LEFT, _BOTTOM, _TOP = 70.0, 40.0, 10.0
_TONES = ("#4269d0", "#c3cfee")


def bars(
    names: Sequence[str],
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    mark: tuple[str, float],
) -> str:
    """Groups of bars, one group for each of `names`; a dashed line at `mark`."""
    top = _round_up(max([mark[1], *(value for _, values in series for value in values)]))
    parts = [_scale(top)]
    group = (_WIDTH - _LEFT) / max(1, len(names))
    width = group * 0.7 / len(series)
    for index, name in enumerate(names):
        begin = _LEFT + group * (index + 0.15)
        for place, (label, values) in enumerate(series):
            value = values[index]
            height = (_HEIGHT - _BOTTOM - _TOP) * value / top
            parts.append(
                f'<rect x="{begin + place * width:.1f}" y="{_HEIGHT - _BOTTOM - height:.1f}" '
                f'width="{width:.1f}" height="{height:.1f}" fill="{_TONES[place % 2]}">'
                f"<title>{html.escape(name)}, {html.escape(label)}: {value:,.1f} s</title></rect>"
            )
        middle = begin + group * 0.35
        parts.append(_text(middle, _HEIGHT - _BOTTOM + 18, name, "middle"))
    line = _y(mark[1], top)
    parts.append(
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{line:.1f}" y2="{line:.1f}" stroke="#888" '
        f'stroke-dasharray="5 4"/>'
    )
    parts.append(_text(_WIDTH - 4, line - 5, mark[0], "end"))
    return _svg("".join(parts), _HEIGHT)


def curves(samples: Sequence[tuple[str, Sequence[float]]], colours: Sequence[str]) -> str:
    """The distribution functions of sorted `samples`, with a legend."""
    end = _round_up(max((values[-1] for _, values in samples if values), default=1.0))
    parts = [_scale(1.0)]
    for index, (name, values) in enumerate(samples):
        colour = colours[index % len(colours)]
        points = " ".join(
            f"{_LEFT + (_WIDTH - _LEFT) * value / end:.1f},{_y((place + 1) / len(values), 1.0):.1f}"
            for place, value in _thinned(values)
        )
        parts.append(
            f'<polyline points="{_LEFT},{_y(0.0, 1.0):.1f} {points}" fill="none" '
            f'stroke="{colour}" stroke-width="2"/>'
        )
        height = _HEIGHT + 14 + 18 * index
        parts.append(f'<rect x="{_LEFT}" y="{height - 9}" width="12" height="9" fill="{colour}"/>')
        parts.append(_text(_LEFT + 18, height, name, "start"))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = _LEFT + (_WIDTH - _LEFT) * share
        anchor = "end" if share == 1.0 else "middle"
        parts.append(_text(at, _HEIGHT - _BOTTOM + 18, f"{end * share:,.0f}", anchor))
    return _svg("".join(parts), _HEIGHT + 18 * len(samples) + 10)


def _thinned(values: Sequence[float]) -> list[tuple[int, float]]:
    """At most a few hundred of them, the last among them."""
    step = max(1, len(values) // 400)
    kept = [(place, values[place]) for place in range(0, len(values), step)]
    if kept and kept[-1][0] != len(values) - 1:
        kept.append((len(values) - 1, values[-1]))
    return kept


def _scale(top: float) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = _y(top * share, top)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e4e4e4"/>'
        )
        parts.append(_text(_LEFT - 8, at + 4, f"{top * share:,g}", "end"))
    return "".join(parts)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / top


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" '
        f'fill="#444">{html.escape(text)}</text>'
    )


def _svg(content: str, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" '
        f'width="{_WIDTH:.0f}" height="{height:.0f}" role="img">{content}</svg>'
    )


def _round_up(value: float) -> float:
    """The next number with one digit and zeros, or half of that."""
    if value <= 0.0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * each for each in (1, 2, 4, 5, 8, 10) if unit * each >= value)
