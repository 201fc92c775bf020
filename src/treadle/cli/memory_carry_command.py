"""`treadle memory export` and `import`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.memory_show import counted
from treadle.cli.output import print_json, print_note, write_stdout
from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of a line that are read; import itself refuses shorter ones."""


async def export(file: str, embeddings: bool, options: MemoryOptions) -> int:
    """Write memory to a file, whole or not at all; or to stdout for `-`.

    Raises InputError: `bad_usage`, `export_failed`.
    """
    from treadle.memory.carrying import export as lines_of
    from treadle.memory.carrying import export_file

    if file == "-" and options.json:
        raise InputError("bad_usage", "stdout cannot hold the export and --json: name a file")
    path = Path(file)
    async with open_memory(options, existing=True) as memory:
        if file == "-":
            lines = lines_of(memory.store, memory.namespace, embeddings=embeddings)
            async with aclosing(lines):
                async for line in lines:
                    write_stdout(line.decode("utf-8"))
            return 0
        size = await export_file(memory.store, memory.namespace, path, embeddings=embeddings)
    if options.json:
        print_json({"file": str(path), "bytes": size})
    else:
        print_note(f"{size:,} bytes in {path}")
    return 0


async def import_(file: str, options: MemoryOptions) -> int:
    """Add what `export` wrote; all of it, or nothing.

    Raises InputError: `bad_import`, `import_too_new`, `import_failed`.
    """
    from treadle.memory.carrying import import_ as import_lines
    from treadle.memory.carrying import import_file

    async with open_memory(options) as memory:
        if file == "-":
            done = await import_lines(memory.store, _stdin(), memory.namespace)
        else:
            done = await import_file(memory.store, Path(file), memory.namespace)
    document = {
        "added": dict(done.added),
        "present": dict(done.present),
        "erased": dict(done.erased),
    }
    if options.json:
        print_json({name: dict(counts) for name, counts in document.items()})
        return 0
    for name, counts in document.items():
        rows = counted(counts)
        if rows:
            write_stdout(f"{_MEANT[name]}: {rows}\n")
    return 0


_MEANT = {"added": "added", "present": "here already", "erased": "left out, forgotten here"}


async def _stdin() -> AsyncIterator[bytes]:
    while line := await run_in_thread(lambda: sys.stdin.buffer.readline(LONGEST_LINE)):
        yield line
