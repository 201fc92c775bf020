"""Results as a picture: an HTML page without anything else, or a PNG by matplotlib."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from treadle.core.errors import ConfigError, InputError
from treadle.serving.simulator.report import Report
from treadle.serving.simulator.svg_chart import bars, curves

COLOURS = (
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5",
    "#9c6b4e", "#9498a0",
)  # fmt: skip

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>treadle sim</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse;margin:1.5em 0}}th,td{{padding:.2em .8em;text-align:right}}
th:first-child,td:first-child{{text-align:left}}tr+tr{{border-top:1px solid #ddd}}
svg{{max-width:100%;height:auto}}</style></head><body>
<h1>treadle sim</h1>
<h2>Job completion time: mean and p95, seconds</h2>{bars}
<h2>Share of programs that have ended after so many seconds</h2>{curves}
{table}</body></html>
"""


def check_plot(path: Path) -> None:
    """Whether `path` can be plotted to, as far as that can be known before there are results.

    Raises InputError `bad_plot`, ConfigError `missing_extra`.
    """
    if path.suffix not in (".html", ".png"):
        raise InputError("bad_plot", f"{path}: name a file that ends in .html or .png")
    if not path.parent.is_dir():
        raise InputError("bad_plot", f"{path}: there is no folder {path.parent}")
    if path.suffix == ".png" and find_spec("matplotlib") is None:
        raise ConfigError(
            "missing_extra",
            "a .png is drawn by matplotlib: install treadle[plot], or name an .html file",
        )


def write_plot(path: Path, report: Report) -> None:
    """Draw `report` to `path`, in the format of its suffix.

    Raises as `check_plot`, and InputError `file_unwritable`.
    """
    check_plot(path)
    try:
        if path.suffix == ".html":
            path.write_text(as_html(report), encoding="utf-8")
        else:
            _write_png(path, report)
    except OSError as error:
        raise InputError("file_unwritable", f"{path}: {error.strerror or error}") from error


def as_html(report: Report) -> str:
    """`report` as a page that needs nothing else."""
    names = list(report.policies)
    results = list(report.policies.values())
    return _PAGE.format(
        bars=bars(
            names,
            [
                ("mean", [each.jct.mean for each in results]),
                ("p95", [each.jct.p95 for each in results]),
            ],
            mark=("no contention", report.bounds.jct_mean),
        ),
        curves=curves(
            [(name, each.completion_seconds) for name, each in zip(names, results, strict=True)],
            COLOURS,
        ),
        table=_table(report),
    )


def _table(report: Report) -> str:
    rows: list[tuple[str, ...]] = [
        ("policy", "mean", "p50", "p95", "p99", "makespan", "recomputed tokens", "hit rate")
    ]
    for name, each in report.policies.items():
        jct = each.jct
        times = (jct.mean, jct.p50, jct.p95, jct.p99, each.makespan)
        rows.append(
            (
                name,
                *(f"{seconds:,.1f}" for seconds in times),
                f"{each.recomputed_prefill_tokens:,.0f}",
                f"{each.hit_rate:.1%}",
            )
        )
    cells = [
        "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
        for tag, row in zip(["th", *["td"] * (len(rows) - 1)], rows, strict=True)
    ]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _write_png(path: Path, report: Report) -> None:
    # An extra, and without pyplot nothing asks for a display.
    figure = import_module("matplotlib.figure").Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = list(report.policies)
    for place, (label, values) in enumerate(_means_and_tails(report)):
        left.bar([at + 0.4 * place for at in range(len(names))], values, 0.4, label=label)
    left.axhline(report.bounds.jct_mean, linestyle="--", color="grey", label="no contention")
    left.set_xticks([at + 0.2 for at in range(len(names))], names, rotation=30, ha="right")
    left.set_ylabel("job completion time, s")
    left.legend()
    for colour, (name, each) in zip(_cycled(len(names)), report.policies.items(), strict=True):
        seconds = each.completion_seconds
        shares = [(index + 1) / len(seconds) for index in range(len(seconds))]
        right.step(seconds, shares, where="post", label=name, color=colour)
    right.set_xlabel("job completion time, s")
    right.set_ylabel("share of programs")
    right.legend()
    figure.savefig(path, format="png", dpi=150)


def _means_and_tails(report: Report) -> Sequence[tuple[str, list[float]]]:
    results = report.policies.values()
    return (
        ("mean", [each.jct.mean for each in results]),
        ("p95", [each.jct.p95 for each in results]),
    )


def _cycled(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]
