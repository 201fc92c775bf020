"""The DAGs that every side runs; a pure function of their description, seed included."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field

LAYERS = 10
DEPENDENCIES = 3
BRANCHES = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """Describes a DAG, so that two processes can build the same one.

    name: wide, chain, layered, random, fan or staggered.
    steps: how many; for `staggered` the number of chains, which is also their length.
    seconds: what a step sleeps (the median where durations vary), 0 for a no-op.
    """

    name: str
    steps: int
    seconds: float = 0.0
    seed: int = 1

    def as_json(self) -> dict[str, object]:
        """The arguments that make it again."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Dag:
    """needs: per step the numbers of earlier steps that it waits for; seconds: what it sleeps."""

    needs: tuple[tuple[int, ...], ...]
    seconds: tuple[float, ...]
    levels: tuple[tuple[int, ...], ...] = field(init=False)
    """The steps by the length of the longest path to them: what an engine with barriers runs."""

    def __post_init__(self) -> None:
        depth: list[int] = []
        for needs in self.needs:
            depth.append(1 + max((depth[need] for need in needs), default=-1))
        levels: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
        for number, level in enumerate(depth):
            levels[level].append(number)
        object.__setattr__(self, "levels", tuple(map(tuple, levels)))

    def __len__(self) -> int:
        return len(self.needs)

    @property
    def edges(self) -> int:
        """The number of dependencies."""
        return sum(map(len, self.needs))

    @property
    def critical_path(self) -> float:
        """Seconds of the longest path."""
        ends: list[float] = []
        for needs, seconds in zip(self.needs, self.seconds, strict=True):
            ends.append(seconds + max((ends[need] for need in needs), default=0.0))
        return max(ends)

    def bound(self, width: int) -> float:
        """Seconds below which no schedule of `width` steps at once can come."""
        return max(self.critical_path, sum(self.seconds) / width)

    def level_by_level(self, width: int) -> float:
        """Seconds of a schedule with a barrier after each level, the longest step first."""
        total = 0.0
        for level in self.levels:
            free = [0.0] * width
            for seconds in sorted((self.seconds[number] for number in level), reverse=True):
                first = free.index(min(free))
                free[first] += seconds
            total += max(free)
        return total


def build(shape: Shape) -> Dag:
    """The DAG that `shape` describes."""
    chance = random.Random(shape.seed)
    return _BUILDERS[shape.name](shape, chance)


def _wide(shape: Shape, chance: random.Random) -> Dag:
    return Dag(((),) * shape.steps, (shape.seconds,) * shape.steps)


def _chain(shape: Shape, chance: random.Random) -> Dag:
    needs = tuple((number - 1,) if number else () for number in range(shape.steps))
    return Dag(needs, (shape.seconds,) * shape.steps)


def _layered(shape: Shape, chance: random.Random) -> Dag:
    """LAYERS layers; each step needs DEPENDENCIES random ones of the layer before."""
    width = max(1, shape.steps // LAYERS)
    needs: list[tuple[int, ...]] = []
    for number in range(shape.steps):
        start = (number // width - 1) * width
        many = min(DEPENDENCIES, width)
        needs.append(
            tuple(sorted(chance.sample(range(start, start + width), many))) if start >= 0 else ()
        )
    return Dag(tuple(needs), (shape.seconds,) * shape.steps)


def _random(shape: Shape, chance: random.Random) -> Dag:
    """Up to three of the twelve steps before; lognormal durations (sigma 0.8)."""
    needs = tuple(
        tuple(
            sorted(
                chance.sample(
                    range(max(0, number - 12), number), min(number, chance.choice((0, 1, 1, 2, 3)))
                )
            )
        )
        for number in range(shape.steps)
    )
    return Dag(needs, _lognormal(shape, chance))


def _fan(shape: Shape, chance: random.Random) -> Dag:
    """A source, BRANCHES chains beside each other, a sink that needs all; lognormal durations."""
    last = shape.steps - 1
    needs = [(max(0, number - BRANCHES),) for number in range(1, last)]
    ends = tuple(range(max(1, last - BRANCHES), last))
    return Dag(((), *needs, ends), _lognormal(shape, chance))


def _staggered(shape: Shape, chance: random.Random) -> Dag:
    """n chains of n steps; chain i is slow at its step i, so that every level has a slow step."""
    needs: list[tuple[int, ...]] = []
    seconds: list[float] = []
    for chain in range(shape.steps):
        for place in range(shape.steps):
            needs.append((len(needs) - 1,) if place else ())
            seconds.append(shape.seconds if place == chain else shape.seconds / 25)
    return Dag(tuple(needs), tuple(seconds))


def _lognormal(shape: Shape, chance: random.Random) -> tuple[float, ...]:
    return tuple(shape.seconds * chance.lognormvariate(0.0, 0.8) for _ in range(shape.steps))


_BUILDERS = {
    "wide": _wide,
    "chain": _chain,
    "layered": _layered,
    "random": _random,
    "fan": _fan,
    "staggered": _staggered,
}
