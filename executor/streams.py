"""Steps that take the items of another step while that still gives them."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.executor.fan_outs import FanOuts
from treadle.executor.graph import Graph, can_start
from treadle.executor.node import Node, State


class Streams:
    """Hands the items of a step on to its readers: fan-outs without effects."""

    def __init__(self, graph: Graph, fan_outs: FanOuts) -> None:
        self._graph = graph
        self._fan_outs = fan_outs

    def give(self, source: Node, item: JsonValue) -> None:
        """`source` has given another item."""
        if source.streamed is None:
            source.streamed = []
            for reader in source.dependents:
                if reader.state is State.PENDING and can_start(reader):
                    self._graph.startable.append(reader)
        source.streamed.append(item)
        for reader in _open_readers(source):
            self._fan_outs.add(reader, item)

    def begin(self, reader: Node) -> bool:
        """Start `reader` on what has come so far; False where it takes its items as a whole."""
        if reader.reads is None or reader.reads.streamed is None:
            return False
        self._fan_outs.begin(reader, reader.reads.streamed, more=True)
        return True

    def stop(self, source: Node) -> list[Node]:
        """`source` gives nothing more. Returns the readers that work on what it gave."""
        if source.streamed is None:
            return []
        source.streamed = None
        return _open_readers(source)


def _open_readers(source: Node) -> list[Node]:
    return [
        each
        for each in source.dependents
        if each.reads is source
        and each.state is State.RUNNING
        and each.fan_out is not None
        and each.fan_out.more
    ]
