"""A workload of coding agents that has the statistics of a measured one.

The figures are those of the 111 programs of the AgentCgroup study (arXiv 2602.09345): turns p50
45, p90 92; first prompt 13.4k tokens p50, last 53.5k p50, 127k at most; growth p50 409, mean 844,
p99 10,002 a turn; output p50 145, p99 1,399; tool gap p50 0.04 s, mean 3.4, p90 9.5, p99 20.4,
308 at most; 14% of turns call several tools; which tool it is explains about 80% of the variance
of the logarithm of its duration.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import accumulate

from treadle.core.errors import InputError
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn
from treadle.serving.simulator.quantiles import QuantileTable

MOST_PROGRAMS = 1_000_000

_TURNS = QuantileTable(
    ((0, 9), (0.05, 15), (0.1, 18), (0.25, 28), (0.5, 45), (0.75, 62), (0.9, 92), (1, 150))
)
_FIRST_PROMPT = QuantileTable(
    ((0, 13_200), (0.25, 13_290), (0.5, 13_400), (0.75, 13_540), (0.9, 13_970), (1, 14_900))
)
_GROWTH = QuantileTable(
    (
        (0, 20), (0.05, 64), (0.25, 211), (0.5, 409), (0.75, 778), (0.9, 1_517), (0.95, 2_300),
        (0.99, 10_002), (0.999, 17_000), (1, 25_000),
    )
)  # fmt: skip
_OUTPUT = QuantileTable(
    (
        (0, 12), (0.05, 51), (0.25, 72), (0.5, 145), (0.75, 318), (0.9, 570), (0.95, 755),
        (0.99, 1_399), (1, 4_000),
    )
)  # fmt: skip
_SEVERAL = (0.86, 0.972, 0.998, 1.0)
"""How probable it is that a turn calls at most 1, 2, 3, 4 tools."""

_LONGEST_PROMPT = 127_000
_LONGEST_GAP = 308.0


@dataclass(frozen=True, slots=True)
class _ToolClass:
    """share: of all calls. median, sigma: of its lognormal durations, in seconds.
    odd: how many of its calls go quite otherwise, as a command that fails at once does, or one
    that has to build first; odd_median: the median of those."""

    name: str
    share: float
    median: float
    sigma: float
    odd: float
    odd_median: float


_CLASSES = (
    _ToolClass("Read", 0.180, 0.016, 0.55, 0.01, 3.0),
    _ToolClass("Bash:python", 0.115, 8.0, 0.15, 0.20, 0.15),
    _ToolClass("Edit", 0.097, 0.026, 0.55, 0.01, 3.0),
    _ToolClass("Bash:pytest", 0.098, 8.2, 0.22, 0.10, 0.25),
    _ToolClass("TodoWrite", 0.080, 0.016, 0.60, 0.01, 3.0),
    _ToolClass("Bash:git", 0.080, 0.030, 0.65, 0.12, 7.0),
    _ToolClass("Grep", 0.074, 0.028, 0.55, 0.01, 3.0),
    _ToolClass("Bash:source", 0.062, 8.5, 0.22, 0.12, 0.15),
    _ToolClass("Bash:grep", 0.044, 0.030, 0.65, 0.06, 7.0),
    _ToolClass("Glob", 0.040, 0.030, 0.60, 0.01, 3.0),
    _ToolClass("Bash:find", 0.040, 0.038, 0.75, 0.17, 7.0),
    _ToolClass("Bash:pip", 0.036, 8.1, 0.30, 0.03, 0.60),
    _ToolClass("Bash:ls", 0.025, 0.026, 0.65, 0.07, 7.0),
    _ToolClass("Write", 0.015, 0.030, 0.60, 0.02, 3.0),
    _ToolClass("Bash:venv", 0.014, 15.0, 0.30, 0.01, 1.00),
)
_SHARES = tuple(accumulate(each.share for each in _CLASSES))
_SLOW = 1.0
_SLOWER = 0.05
"""Slow calls that take longer still: by a factor that is Pareto's, so that the tail is heavy."""

_TAIL = 1.15


def generate_programs(count: int, seed: int = 0) -> tuple[AgentProgram, ...]:
    """`count` programs; the same for the same seed.

    Raises InputError `bad_workload` for fewer than one, or more than MOST_PROGRAMS.
    """
    if not 1 <= count <= MOST_PROGRAMS:
        raise InputError(
            "bad_workload", f"{count} programs: give a number from 1 to {MOST_PROGRAMS:,}"
        )
    source = random.Random(f"programs {seed}")
    return tuple(_program(f"generated-{index:05}", source) for index in range(count))


def _program(name: str, source: random.Random) -> AgentProgram:
    count = round(_TURNS.at(source.random()))
    prompt = round(_FIRST_PROMPT.at(source.random()))
    turns: list[Turn] = []
    while len(turns) < count:
        last = len(turns) == count - 1
        output = max(1, round(_OUTPUT.at(source.random())))
        following = prompt + max(1, round(_GROWTH.at(source.random())))
        if following > _LONGEST_PROMPT:
            last = True
        turns.append(Turn(prompt, output, () if last else _tools(source)))
        if last:
            break
        prompt = following
    return AgentProgram(name, tuple(turns))


def _tools(source: random.Random) -> tuple[ToolRun, ...]:
    """What runs at the same time is of one kind: several files are read, several texts searched."""
    number = source.choices(range(1, 5), cum_weights=_SEVERAL)[0]
    kind = source.choices(_CLASSES, cum_weights=_SHARES)[0]
    return tuple(_tool(kind, source) for _ in range(number))


def _tool(kind: _ToolClass, source: random.Random) -> ToolRun:
    median = kind.odd_median if source.random() < kind.odd else kind.median
    seconds = median * math.exp(source.gauss(0.0, kind.sigma))
    if seconds > _SLOW and source.random() < _SLOWER:
        seconds *= source.paretovariate(_TAIL)
    pattern = f"{source.getrandbits(48):012x}"
    return ToolRun(kind.name, pattern, round(min(seconds, _LONGEST_GAP), 3))
