"""Rows: CPU per no-op step of every side, in three shapes, and the ratios that are promised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.executor.measure import Sample, median
from benchmarks.executor.process import Workers
from benchmarks.executor.shapes import Shape
from benchmarks.executor.side import NotAvailable
from benchmarks.executor.table import Row, at_least, at_most, missing

SHAPES = ("wide", "chain", "layered")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A side in one of its variants. share: of the runs that it takes part in, for slow ones."""

    side: str
    variant: str
    label: str
    share: float = 1.0


IN_MEMORY = (
    Contestant("asyncio", "memory", "asyncio by hand"),
    Contestant("treadle", "memory", "Treadle"),
    Contestant("langgraph", "memory", "LangGraph nodes"),
    Contestant("langgraph", "functional", "LangGraph functional", 0.5),
    Contestant("pydantic-graph", "memory", "pydantic-graph"),
)
JOURNALED = (
    Contestant("asyncio", "sqlite", "asyncio by hand + SQLite WAL"),
    Contestant("asyncio", "fsync", "asyncio by hand + fsync per step"),
    Contestant("treadle", "sqlite", "Treadle, SQLite"),
    Contestant("treadle", "effects", "Treadle, SQLite, effects"),
    Contestant("langgraph", "sqlite", "LangGraph, SQLite", 0.5),
    Contestant("dbos", "sqlite", "DBOS, SQLite", 0.5),
)


def compare(
    workers: Workers, contestants: tuple[Contestant, ...], shape: Shape, runs: int
) -> dict[str, Sample | str]:
    """Medians by label, of interleaved runs after one that does not count; or why there is none."""
    samples: dict[str, list[Sample]] = {each.label: [] for each in contestants}
    reasons: dict[str, str] = {}
    for turn in range(-1, runs):
        for each in contestants:
            if each.label in reasons or turn >= max(1, round(runs * each.share)):
                continue
            try:
                sample = workers.measure(each.side, each.variant, shape)
            except NotAvailable as error:
                reasons[each.label] = str(error)
                continue
            if turn >= 0:
                samples[each.label].append(sample)
    return {label: reasons.get(label) or median(taken) for label, taken in samples.items()}


def in_memory(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """1,000 no-op steps without a journal."""
    for name in SHAPES:
        found = compare(workers, IN_MEMORY, Shape(name, 1000, seed=seed), runs)
        yield from _figures("memory", name, found)
        yield _ratio("memory", name, found, "Treadle", "asyncio by hand", most=2.5)
        yield _ratio("memory", name, found, "LangGraph nodes", "Treadle", least=8)


def journaled(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """1,000 no-op steps on SQLite; effects have their intent on disk first."""
    for name in SHAPES:
        found = compare(workers, JOURNALED, Shape(name, 1000, seed=seed), runs)
        yield from _figures("journal", name, found)
        ours, effects = found["Treadle, SQLite"], found["Treadle, SQLite, effects"]
        if isinstance(ours, Sample):
            yield at_most("journal", f"{name}: Treadle, SQLite", ours.cpu_us, 100, " us")
            yield at_most(
                "journal", f"{name}: journal per step", ours.disk / ours.steps, 1024, " bytes"
            )
        if isinstance(effects, Sample) and name != "chain":
            yield at_most("journal", f"{name}: Treadle, effects", effects.cpu_us, 150, " us")
        yield _ratio("journal", name, found, "LangGraph, SQLite", "Treadle, SQLite", least=10)
        yield _ratio("journal", name, found, "DBOS, SQLite", "Treadle, SQLite", least=40)


def sleeping(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """Steps that really sleep: CPU per step net of what bare asyncio needs for the same."""
    contestants = (IN_MEMORY[0], IN_MEMORY[1], JOURNALED[2])
    for name in SHAPES:
        shape = Shape(name, 1000, 0.001 if name == "chain" else 0.02, seed)
        found = compare(workers, contestants, shape, runs)
        floor = found["asyncio by hand"]
        assert isinstance(floor, Sample)
        for label, limit in (("Treadle", None), ("Treadle, SQLite", 100.0)):
            sample, title = found[label], f"{name}, sleeping: {label} net"
            if isinstance(sample, str):
                yield missing("sleeping", title, sample, "<= 100 us")
            elif limit is None:
                yield Row("sleeping", title, f"{sample.cpu_us - floor.cpu_us:.1f} us")
            else:
                net = sample.cpu_us - floor.cpu_us
                yield at_most("sleeping", title, net, limit, " us")


def linearity(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """us/step of 100,000 steps against 1,000, at width 64; asyncio by hand for comparison."""
    for name in SHAPES:
        for side, variant in (("asyncio", "memory"), ("treadle", "memory"), ("treadle", "sqlite")):
            title = f"{name}, {side}, {variant}: 100,000 / 1,000"
            try:
                above, below = _growth(workers, side, variant, Shape(name, 1000, seed=seed), runs)
            except NotAvailable as error:
                yield missing("linearity", title, str(error), "<= 1.3x")
                continue
            note = f" ({above:.1f} / {below:.1f} us)"
            if side == "asyncio":
                yield Row("linearity", title, f"{above / below:.4g}x{note}")
            else:
                yield at_most("linearity", title, above / below, 1.3, "x", note)


def _growth(
    workers: Workers, side: str, variant: str, few: Shape, runs: int
) -> tuple[float, float]:
    """us of CPU per step at 100 times as many steps, and at as many as `few` has."""
    many, width = replace(few, steps=100 * few.steps), 64 if side == "treadle" else None
    small: list[Sample] = []
    large: list[Sample] = []
    workers.measure(side, variant, few, width=width)  # does not count
    for _ in range(max(1, runs // 4)):
        small += [workers.measure(side, variant, few, width=width) for _ in range(3)]
        large.append(workers.measure(side, variant, many, width=width))
    return median(large).cpu_us, median(small).cpu_us


def _figures(section: str, shape: str, found: dict[str, Sample | str]) -> Iterator[Row]:
    for label, sample in found.items():
        if isinstance(sample, str):
            yield missing(section, f"{shape}: {label}", sample)
            continue
        kept = f", {sample.disk / 1e6:.2f} MB left" if sample.disk > 0 else ""
        written = f" {sample.written / 1e6:.1f} MB written" if sample.written > 100_000 else ""
        text = f"{sample.cpu_us:.1f} us CPU {sample.wall_us:.1f} us wall{kept}{written}"
        yield Row(section, f"{shape}: {label}", text)


def _ratio(
    section: str,
    shape: str,
    found: dict[str, Sample | str],
    over: str,
    under: str,
    *,
    most: float | None = None,
    least: float | None = None,
) -> Row:
    above, below, name = found[over], found[under], f"{shape}: {over} / {under}"
    if isinstance(above, str) or isinstance(below, str):
        why = above if isinstance(above, str) else below
        assert isinstance(why, str)
        return missing(section, name, why, f"<= {most:g}x" if most else f">= {least:g}x")
    ratio = above.cpu / below.cpu
    if most is not None:
        return at_most(section, name, ratio, most, "x")
    assert least is not None
    return at_least(section, name, ratio, least, "x")
