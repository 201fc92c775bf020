"""How long calls of tools take: what is expected before, what was seen after."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from treadle.core.duration_distribution import DurationDistribution, range_of
from treadle.core.duration_level import DurationLevel

DEFAULT_SECONDS = 1.0
"""Expected of a tool that was never seen."""

ToolPattern: TypeAlias = tuple[str, str]
"""A tool, and the pattern of a call of it: what is alike in calls that are alike; "" for none."""

SeenDuration: TypeAlias = tuple[str, float, str]
"""A tool, the seconds that a call of it took, and its pattern."""

ENOUGH_GAIN = 2.0
"""How much more patterns must have told than the tool alone before they count; in nats."""

_Key = TypeVar("_Key")


class DurationSource(Protocol):
    """Expected durations, by tool."""

    def expected_seconds(self, tool: str, pattern: str = "") -> float:
        """How long a call of `tool` is expected to take."""
        ...

    def observe(self, tool: str, seconds: float, pattern: str = "") -> None:
        """A call of `tool` took `seconds`."""
        ...


class ToolDurations:
    """Learns how long tools take: a distribution for each tool, and for each pattern of calls.

    What is known of few calls is filled up from the tool, that from its family ("Bash" of
    "Bash:pytest", "web" of "web.search"), that from all tools: a hierarchical Dirichlet mean. The
    tails are heavy, so that there is no arithmetic mean anywhere. A pattern is what is alike in
    calls that are alike, such as a hash of their arguments; patterns count for those tools whose
    calls they have foretold better than the tool alone did.

    Bounded: the tools and patterns that were not used for longest are forgotten.
    """

    TOOLS = 512
    PATTERNS = 2048

    def __init__(self) -> None:
        self._all = DurationLevel(None, weight=8.0, capacity=4000.0)
        self._families: OrderedDict[str, DurationLevel] = OrderedDict()
        self._tools: OrderedDict[str, DurationLevel] = OrderedDict()
        self._patterns: OrderedDict[ToolPattern, DurationLevel] = OrderedDict()

    def observe(self, tool: str, seconds: float, pattern: str = "") -> None:
        """A call of `tool` took `seconds`; what is no duration is ignored."""
        if not 0.0 <= seconds < math.inf:
            return
        known = self._tool(tool)
        at, logarithm = range_of(seconds), math.log(max(seconds, 1e-6))
        known.average(logarithm)
        level: DurationLevel | None = known
        if pattern:
            level = self._pattern(known, tool, pattern)
            level.average(logarithm)
            level.compare(at)
        while level is not None:
            level.add(at)
            level = level.parent

    def seed(self, seen: Iterable[SeenDuration]) -> None:
        """Take over what was seen before, the latest last; what is known already is known better.

        seen: tools, the seconds that a call of them took, and the patterns.
        """
        known = {tool: level.logarithm for tool, level in self._tools.items()}
        for tool, seconds, pattern in seen:
            self.observe(tool, seconds, pattern)
        for tool, logarithm in known.items():
            if tool in self._tools:
                self._tools[tool].logarithm = logarithm

    def expected_seconds(self, tool: str, pattern: str = "") -> float:
        """The moving geometric mean of its calls, of those like this one where there were any.

        DEFAULT_SECONDS where there was none.
        """
        known = self._known(tool, pattern)
        if known is None or known.logarithm is None:
            return DEFAULT_SECONDS
        return math.exp(known.logarithm)

    def distribution(self, tool: str, pattern: str = "") -> DurationDistribution:
        """How long a call of `tool` takes, from the closest that was seen."""
        level = self._known(tool, pattern) or self._families.get(family_of(tool)) or self._all
        return level.distribution()

    def quantile(self, tool: str, q: float, pattern: str = "", elapsed: float = 0.0) -> float:
        """The seconds that a call does not exceed with probability `q`.

        elapsed: how long it has taken already; the result is the whole duration, not what is left.
        """
        return self.distribution(tool, pattern).quantile(q, elapsed)

    def survival(self, tool: str, seconds: float, pattern: str = "", elapsed: float = 0.0) -> float:
        """The probability that a call takes longer than `seconds`, as it did than `elapsed`."""
        return self.distribution(tool, pattern).survival(seconds, elapsed)

    def gap(self, tools: Sequence[ToolPattern]) -> DurationDistribution:
        """How long calls that begin together take, until all have ended.

        tools: of a tool that is not known the name is "", as where there are none.
        """
        return DurationDistribution.longest_of(
            [self.distribution(tool, pattern) for tool, pattern in tools or [("", "")]]
        )

    def gap_survival(
        self, tools: Sequence[ToolPattern], seconds: float, elapsed: float = 0.0
    ) -> float:
        """`survival` of the longest of calls that begin together."""
        return self.gap(tools).survival(seconds, elapsed)

    def gap_quantile(self, tools: Sequence[ToolPattern], q: float, elapsed: float = 0.0) -> float:
        """`quantile` of the longest of calls that begin together."""
        return self.gap(tools).quantile(q, elapsed)

    def _known(self, tool: str, pattern: str) -> DurationLevel | None:
        """What was seen of `tool`: of the pattern alone where patterns have proved to tell more."""
        known = self._tools.get(tool)
        if known is None or known.gain < ENOUGH_GAIN or not pattern:
            return known
        return self._patterns.get((tool, pattern), known)

    def _tool(self, tool: str) -> DurationLevel:
        known = self._tools.get(tool)
        if known is not None:
            self._tools.move_to_end(tool)
            return known
        parent, family = self._all, family_of(tool)
        if family:
            known = self._families.get(family)
            parent = known or DurationLevel(self._all, weight=8.0, capacity=2000.0)
            _put(self._families, family, parent, self.TOOLS)
        made = DurationLevel(parent, weight=4.0, capacity=1000.0)
        _put(self._tools, tool, made, self.TOOLS)
        return made

    def _pattern(self, parent: DurationLevel, tool: str, pattern: str) -> DurationLevel:
        known = self._patterns.get((tool, pattern))
        if known is None or known.parent is not parent:
            known = DurationLevel(parent, weight=4.0, capacity=200.0)
        _put(self._patterns, (tool, pattern), known, self.PATTERNS)
        return known


def family_of(tool: str) -> str:
    """The family: "Bash" of "Bash:pytest", "web" of "web.search"; "" where there is none."""
    for separator in (":", "."):
        family, found, _ = tool.partition(separator)
        if found:
            return family
    return ""


def _put(
    kept: OrderedDict[_Key, DurationLevel], key: _Key, level: DurationLevel, most: int
) -> None:
    """Make it the one used last; forget the one not used for longest where there are too many."""
    kept[key] = level
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
