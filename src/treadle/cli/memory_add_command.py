"""`treadle memory add`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from treadle.cli.harmless import one_line
from treadle.cli.lent_memory import proposing_model
from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.memory_show import episode_document
from treadle.cli.output import print_json, print_note, write_stdout
from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    from treadle.memory.memory import Memory

MOST_READ = 16 * 1024 * 1024
"""Bytes that are read of a file or of stdin; what memory takes of them, it says itself."""

WORK_SECONDS = 30.0
"""What `add` waits at most for what follows from a text: facts and vectors."""

_SAID = {
    "new": "remembered",
    "duplicate": "known already",
    "echo": "not kept: it is what memory itself has said before",
}


@dataclass(frozen=True, slots=True)
class Addition:
    """What is to be remembered; `text` is "-" for stdin."""

    text: str | None
    file: Path | None = None
    actor: str = ""
    source: str = ""
    thread: str = ""
    at: str | None = None
    key: str | None = None
    wait: bool = True


async def add(addition: Addition, options: MemoryOptions) -> int:
    """Remember a text, and work out what follows from it.

    Raises InputError: `bad_usage`, `file_not_found`, `is_a_directory`, `file_unreadable`,
    `text_too_long`, `bad_encoding`, and as `Memory.remember` does.
    """
    text = await run_in_thread(lambda: read_text(addition))
    async with AsyncExitStack() as stack:
        model = proposing_model() if addition.wait else None
        if model is not None:
            stack.push_async_callback(model.aclose)
        memory = await stack.enter_async_context(open_memory(options, model=model))
        kept = await memory.remember(
            text,
            actor=addition.actor,
            source=addition.source or ("" if addition.file is None else str(addition.file)),
            thread=addition.thread,
            occurred_at=addition.at,
            idempotency_key=addition.key,
        )
        worked = await work(memory) if addition.wait else False
        counts = await memory.outbox.counts()
        failure = await memory.outbox.last_failure()
    waiting = sum(each["waiting"] for each in counts.values())
    dead = sum(each["dead"] for each in counts.values())
    if options.json:
        print_json(
            {
                "outcome": kept.outcome,
                "episode": None if not kept.episode.id else episode_document(kept.episode),
                "worked": worked,
                "outbox": {"waiting": waiting, "dead": dead, "error": failure or None},
            }
        )
        return 0
    print_note(_SAID[kept.outcome])
    if addition.wait and not worked:
        print_note("what follows from it is still being worked out; the next command goes on")
    if failure:
        print_note(f"not all that follows is worked out: {one_line(failure, 300)}")
    if dead:
        print_note(f"{dead:,} pieces of work were given up; see treadle memory stats")
    if kept.episode.id:
        write_stdout(f"{one_line(kept.episode.id)}\n")
    return 0


async def work(memory: Memory, seconds: float = WORK_SECONDS) -> bool:
    """Work out what is due; False where the time was up before all of it was done."""
    try:
        async with asyncio.timeout(seconds):
            await memory.work()
    except TimeoutError:
        # It is leased, and comes back by itself.
        return False
    return True


def read_text(addition: Addition) -> str:
    """The text that is meant. Raises InputError; see `add`."""
    if (addition.text is None) == (addition.file is None):
        raise InputError("bad_usage", "give TEXT, - for stdin, or --file FILE")
    if addition.file is not None:
        return _decoded(_read_file(addition.file), str(addition.file))
    assert addition.text is not None
    if addition.text == "-":
        return _decoded(_read(sys.stdin.buffer, "stdin"), "stdin")
    return _decoded(addition.text.encode("utf-8", "surrogateescape"), "the text")


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError("is_a_directory", f"{path} is a folder; name a file")
        with path.open("rb") as file:
            return _read(file, str(path))
    except FileNotFoundError:
        raise InputError("file_not_found", f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("file_unreadable", f"{path}: {reason}") from None


def _read(source: BinaryIO, name: str) -> bytes:
    data = source.read(MOST_READ + 1)
    if len(data) > MOST_READ:
        raise InputError("text_too_long", f"{name} has more than {MOST_READ:,} bytes")
    return data


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "bad_encoding", f"{name} is not UTF-8 (byte {error.start}): memory takes texts"
        ) from None
