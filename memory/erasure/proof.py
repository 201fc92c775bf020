"""Looking, after an erasure, whether anything of it is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from treadle.core.database import DatabaseUrl
from treadle.core.threads import run_in_thread
from treadle.memory.erasure.columns import compared_rows, words_of
from treadle.memory.erasure.doomed import SELF_STANDING
from treadle.memory.erasure.fragments import fragments
from treadle.memory.erasure.receipt import Proof
from treadle.memory.erasure.scan import files_of, size_of, traces
from treadle.memory.erasure.sought import Sought
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store


async def still_said(
    store: Store, namespaces: Iterable[Namespace], sought: Sought
) -> tuple[Counter[str], int, int]:
    """Rows per table that still have something sought in them, how many bear a name that is
    sought, and how many were looked at.
    """
    live: Counter[str] = Counter()
    rows = named = 0
    for namespace in namespaces:
        async with store.reading(namespace) as partition:
            for table in SELF_STANDING:
                looked = compared_rows(
                    partition,
                    table,
                    words_of(table),
                    lambda strings: (
                        sought.found_in_any(strings),
                        any(map(sought.named_in, strings)),
                    ),
                )
                async for _, (says, names) in looked:
                    rows += 1
                    live[table.name] += says
                    named += names
    return +live, named, rows


async def scanned(
    urls: Sequence[DatabaseUrl], names: Iterable[str], texts: Iterable[str], pieces: Iterable[str]
) -> Proof:
    """What the files of these databases show; nothing of a server's."""
    paths = [url.path for url in urls if url.path is not None and url.path.exists()]
    if not paths:
        return Proof()
    sizes = await run_in_thread(lambda: sum(map(size_of, paths)))
    wanted = await run_in_thread(lambda: fragments(names, texts, pieces, sizes))
    found = size = 0
    for path in paths:
        left, read = await run_in_thread(lambda path=path: traces(path, wanted))  # type: ignore[misc]
        found, size = found + left, size + read
    files = tuple(str(each) for path in paths for each in files_of(path))
    return Proof(fragments=len(wanted), files=files, bytes_scanned=size, found=found)
