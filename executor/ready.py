"""Which call starts next: longest remaining path first, under the tools' own limits."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import count

from treadle.executor.node import Call


class ReadyQueue:
    """Calls that have their inputs. A call whose tool is at its limit waits aside."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Call]] = []
        self._aside: dict[str, list[tuple[float, int, Call]]] = {}
        self._running: Counter[str] = Counter()
        self._counter = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def push(self, call: Call) -> None:
        """Add a call; among equal ranks the first to come is the first to start."""
        heapq.heappush(self._heap, (-call.node.rank, next(self._counter), call))

    def pop(self) -> Call | None:
        """The next call that may start now; it counts against its tool's limit."""
        while self._heap:
            entry = heapq.heappop(self._heap)
            call = entry[2]
            limit = call.node.tool.concurrency
            if limit is None:
                return call
            name = call.node.tool.name
            if self._running[name] < limit:
                self._running[name] += 1
                return call
            heapq.heappush(self._aside.setdefault(name, []), entry)
        return None

    def release(self, call: Call) -> None:
        """A call that was popped has ended: the next one for its tool may start."""
        if call.node.tool.concurrency is None:
            return
        name = call.node.tool.name
        self._running[name] -= 1
        waiting = self._aside.get(name)
        if waiting:
            heapq.heappush(self._heap, heapq.heappop(waiting))

    def reorder(self) -> None:
        """The ranks have changed."""
        for entries in (self._heap, *self._aside.values()):
            entries[:] = [(-call.node.rank, number, call) for _, number, call in entries]
            heapq.heapify(entries)

    def keep(self, wanted: Callable[[Call], bool]) -> None:
        """Forget the calls that have not started and are not `wanted`."""
        waiting = [*self._heap, *(entry for aside in self._aside.values() for entry in aside)]
        self._heap = [entry for entry in waiting if wanted(entry[2])]
        heapq.heapify(self._heap)
        self._aside.clear()
