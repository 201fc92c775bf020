"""`treadle sim`: policies compared on a simulated engine."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from treadle.cli.ending import INTERRUPTED, exit_code, report, unexpected
from treadle.cli.options import CommonOptions
from treadle.cli.output import (
    can_redraw,
    print_json,
    reserved_stdout,
    stdout_is_terminal,
    write_stdout,
)
from treadle.core.errors import ErrorInfo, InputError, TreadleError
from treadle.serving.simulator.experiment import EngineName, Experiment, Workload, run_experiment
from treadle.serving.simulator.generator import generate_programs
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.plots import check_plot, write_plot
from treadle.serving.simulator.report import Report
from treadle.serving.simulator.simulation import Load
from treadle.serving.simulator.trace_file import read_trace, write_trace

_PROGRAMS = 100
_CONCURRENCY = 16
_MOST_CPU_GB = 1_000_000


@dataclass(frozen=True, slots=True)
class SimOptions:
    """What was written after `treadle sim`."""

    hardware: Hardware
    trace: Path | None
    programs: int | None
    policies: str
    programs_per_second: float | None
    concurrency: int | None
    seeds: str
    engine: str
    cpu_tier_gb: float
    plot: Path | None
    write_trace: Path | None


def run_sim_command(options: SimOptions, *, json: bool, debug: bool) -> int:
    """Simulate, print, and return the exit code."""
    common = CommonOptions(json=json, debug=debug)
    with reserved_stdout():
        try:
            _simulate(options, json)
        except KeyboardInterrupt:
            stopped = ErrorInfo("cancelled", "stopped before all simulations had ended")
            report(stopped, common, INTERRUPTED)
            return INTERRUPTED
        except TreadleError as error:
            code = exit_code(error)
            report(error, common, code)
            return code
        except Exception as error:  # noqa: BLE001 - the last thing between a bug and a traceback
            report(unexpected(error), common, 1)
            return 1
    return 0


def _simulate(options: SimOptions, json: bool) -> None:
    if options.plot is not None:
        check_plot(options.plot)
    experiment = _experiment(options)
    if options.write_trace is not None:
        write_trace(options.write_trace, experiment.workload.for_seed(experiment.seeds[0]))
    with _progress() as progress:
        found = run_experiment(experiment, progress=progress)
    if options.plot is not None:
        write_plot(options.plot, found)
    if json:
        print_json(found.as_json())
    else:
        write_stdout(_table(found))


def _experiment(options: SimOptions) -> Experiment:
    """What the options ask for. Raises InputError."""
    return Experiment(
        _workload(options),
        _load(options),
        tuple(_listed("--policy", options.policies)),
        tuple(_seed(each) for each in _listed("--seed", options.seeds)),
        _hardware(options),
        _engine(options.engine),
    )


def _workload(options: SimOptions) -> Workload:
    if options.trace is not None and options.programs is not None:
        raise InputError("bad_workload", "give either --trace or --programs, not both")
    if options.trace is not None:
        return Workload(read_trace(options.trace))
    count = _PROGRAMS if options.programs is None else options.programs
    generate_programs(min(count, 1))
    return Workload(generated=count)


def _load(options: SimOptions) -> Load:
    rate, concurrency = options.programs_per_second, options.concurrency
    if rate is not None and not 1e-6 <= rate <= 1e6:
        raise InputError(
            "bad_workload", f"--programs-per-second {rate}: give a number from 1e-6 to 1e6"
        )
    if concurrency is not None and concurrency < 1:
        raise InputError("bad_workload", f"--concurrency {concurrency}: give at least 1")
    if rate is None and concurrency is None:
        concurrency = _CONCURRENCY
    return Load(concurrency, rate)


def _hardware(options: SimOptions) -> Hardware:
    size = options.cpu_tier_gb
    if not 0 <= size <= _MOST_CPU_GB:
        raise InputError(
            "bad_hardware", f"--cpu-tier-gb {size}: give a number from 0 to {_MOST_CPU_GB:,}"
        )
    return replace(options.hardware, cpu_tokens=int(size * 1e9 / max(1, options.hardware.kv_bytes)))


def _engine(name: str) -> EngineName:
    if name == "fast":
        return "fast"
    if name == "vllm":
        return "vllm"
    raise InputError("bad_workload", f"--engine {name}: give fast or vllm")


def _listed(option: str, text: str) -> list[str]:
    parts = [each.strip() for each in text.split(",")]
    if not all(parts):
        raise InputError("bad_workload", f"{option} '{text}': separate them by single commas")
    return parts


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError("bad_workload", f"--seed {text}: give whole numbers") from None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Shows a person how far it is."""
    if not can_redraw():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=None)

        def show(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield show


def _table(found: Report) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    headings = ("policy", "mean s", "p50", "p95", "p99", "makespan", "recomputed", "hits")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for name, result in found.policies.items():
        jct = result.jct
        times = (jct.mean, jct.p50, jct.p95, jct.p99, result.makespan)
        table.add_row(
            name,
            *(f"{each:,.1f}" for each in times),
            _millions(result.recomputed_prefill_tokens),
            f"{result.hit_rate:.1%}",
        )
    bounds = found.bounds
    recomputed = _millions(bounds.recomputed_prefill_tokens)
    table.add_row("bound", f"{bounds.jct_mean:,.1f}", "", "", "", "", recomputed, "", style="dim")
    out = io.StringIO()
    terminal = stdout_is_terminal()
    Console(file=out, width=None if terminal else 100, force_terminal=terminal).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _millions(tokens: float) -> str:
    return f"{tokens / 1e6:,.2f} M"
