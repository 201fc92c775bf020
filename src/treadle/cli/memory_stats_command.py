"""`treadle memory stats`."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.cli.harmless import one_line
from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.memory_show import called
from treadle.cli.output import print_json, write_stdout
from treadle.core.json_value import JsonValue


async def stats(options: MemoryOptions) -> int:
    """Print how much there is of what, in the namespace and below it."""
    async with open_memory(options, existing=True) as memory:
        document = (await memory.stats()).as_json()
    if options.json:
        print_json(document)
    else:
        write_stdout(stats_text(document))
    return 0


def stats_text(document: Mapping[str, JsonValue]) -> str:
    """The same for people."""
    count = document["namespaces"]
    lines = [f"{one_line(str(document['namespace']))}, {count} namespaces with those below it"]
    lines += _table("rows", document["rows"])
    outbox = document["outbox"]
    if isinstance(outbox, dict):
        lines += _table("still to be worked out", outbox["waiting"])
        lines += _table("given up", outbox["dead"])
    letters = document["dead_letters"]
    for each in letters if isinstance(letters, list) else []:
        if isinstance(each, dict):
            lines.append(f"    {each['task']}: {one_line(str(each['error']), 160)}")
    coverage = document["embedder"]
    if isinstance(coverage, dict):
        lines.append(f"vectors of {one_line(str(coverage['model']), 80)}:")
        for name, found in coverage.items():
            if isinstance(found, dict):
                lines.append(f"  {found['embedded']:>12,} of {found['of']:,} {name}s")
    else:
        lines.append("no embedder: words alone")
    lines += _table("bytes", document["bytes"])
    return "\n".join(lines) + "\n"


def _table(title: str, counts: JsonValue) -> list[str]:
    if not isinstance(counts, dict):
        return []
    rows = [
        f"  {count:>12,} {called(name, count) if title == 'rows' else name}"
        for name, count in counts.items()
        if isinstance(count, int) and count
    ]
    return [f"{title}:", *rows] if rows else []
