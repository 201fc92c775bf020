"""A side in a process of its own, so that one side's libraries and leftovers touch no other.

Reads one JSON request per line and answers each with one line.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from dataclasses import asdict
from typing import Any, cast

from benchmarks.executor.shapes import Shape
from benchmarks.executor.side import NotAvailable, Side

SIDES = {
    "asyncio": ("benchmarks.executor.floor", None),
    "treadle": ("benchmarks.executor.ours", None),
    "langgraph": ("benchmarks.executor.langgraph_peer", "langgraph"),
    "pydantic-graph": ("benchmarks.executor.pydantic_graph_peer", "pydantic_graph"),
    "dbos": ("benchmarks.executor.dbos_peer", "dbos"),
}
"""By name: the module, and the package that may be absent."""


def main() -> None:
    """Serve the side that is named on the command line until stdin ends."""
    module, package = SIDES[sys.argv[1]]
    # What a library prints must not end up between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        answers.write(json.dumps(_answer(module, package, json.loads(line))) + "\n")
        answers.flush()


def _answer(module: str, package: str | None, request: dict[str, Any]) -> dict[str, object]:
    try:
        if request["task"] != "measure":
            from benchmarks.executor import stopping, tasks

            name = request["task"]
            work = getattr(tasks, name, None) or getattr(stopping, name)
            return {"value": asyncio.run(work(**request["options"]))}
        side = cast(Side, importlib.import_module(module))
        from benchmarks.executor.measure import measure

        shape = Shape(**request["shape"])
        sample = asyncio.run(measure(side, request["variant"], shape, request["width"]))
    except NotAvailable as error:
        return {"missing": str(error)}
    except ImportError as error:
        # By prefix: a part of a peer that is shipped by itself may be absent, too.
        if package is None or not (error.name or "").startswith(package):
            raise
        return {"missing": f"{error.name} is NOT INSTALLED: pip install -e '.[bench]'"}
    return {"sample": asdict(sample)}


if __name__ == "__main__":
    main()
