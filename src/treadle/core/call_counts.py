"""How many model calls a call of a tool takes: what was seen of the latest."""

from __future__ import annotations

from collections import OrderedDict, deque


class CallCounts:
    """Learns in memory, for steps that call a model, agents among them: a moving median.

    Bounded: the tools that were not used for longest are forgotten.
    """

    TOOLS = 512
    RECENT = 15

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[int]] = OrderedDict()

    def observe(self, tool: str, calls: int) -> None:
        """A call of `tool` has made so many model calls."""
        seen = self._seen.setdefault(tool, deque(maxlen=self.RECENT))
        seen.append(calls)
        self._seen.move_to_end(tool)
        if len(self._seen) > self.TOOLS:
            self._seen.popitem(last=False)

    def __contains__(self, tool: str) -> bool:
        """Whether a call of `tool` was counted."""
        return tool in self._seen

    def expected(self, tool: str) -> int:
        """The median of the latest, 1 where there was none."""
        seen = self._seen.get(tool)
        return 1 if seen is None else max(1, sorted(seen)[len(seen) // 2])

    def most(self, tool: str) -> int:
        """The most of the latest, 1 where there was none."""
        seen = self._seen.get(tool)
        return 1 if seen is None else max(1, *seen)
