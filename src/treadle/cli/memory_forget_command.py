"""`treadle memory forget`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.memory_show import called, counted
from treadle.cli.output import print_json, print_note, write_stdout
from treadle.core.errors import InputError

if TYPE_CHECKING:
    from treadle.memory.erasure.receipt import Receipt
    from treadle.memory.namespace import Namespace

DECLINED = "nothing was forgotten"

_NOT_PROVED = 1
_DECLINED = 1


@dataclass(frozen=True, slots=True)
class Doom:
    """What is to be forgotten: one of the three."""

    subject: str | None = None
    episodes: tuple[str, ...] = ()
    everything: bool = False
    reason: str = ""
    yes: bool = False


async def forget(doom: Doom, options: MemoryOptions) -> int:
    """Erase for good, after a person has agreed, and print the receipt.

    0: nothing of it was found afterwards. 1: something was, or the person said no.

    Raises InputError: `bad_usage`, `unconfirmed` where there is nobody to ask, `unknown_episode`,
    and as `Memory.forget` does.
    """
    if (doom.subject is not None) + bool(doom.episodes) + doom.everything != 1:
        raise InputError("bad_usage", "give one of --subject, --episode and --everything")
    if not doom.yes:
        require_somebody(options)
    async with open_memory(options, existing=True, purging=True) as memory:
        unknown = await memory.episodes.missing(doom.episodes) if doom.episodes else ()
        if unknown:
            raise InputError(
                "unknown_episode",
                f"there is no episode {one_line(', '.join(unknown), 200)} in "
                f"{one_line(str(memory.namespace))} or below it; nothing was forgotten",
            )
        if not doom.yes and not await agreed(question(doom, memory.namespace)):
            print_note(DECLINED)
            return _DECLINED
        receipt = await memory.forget(
            subject=doom.subject,
            episodes=doom.episodes,
            everything=doom.everything,
            reason=doom.reason,
        )
    if options.json:
        print_json(receipt.as_json())
    else:
        write_stdout(receipt_text(receipt) + "\n")
    return 0 if receipt.proved else _NOT_PROVED


def question(doom: Doom, namespace: Namespace) -> str:
    """What a person is asked before it happens."""
    where = f"in {one_line(str(namespace))} and below it"
    if doom.everything:
        what = f"everything {where}"
    elif doom.subject is not None:
        what = f"all that says '{one_line(doom.subject, 100)}' {where}, in runs and conversations"
    else:
        count = len(doom.episodes)
        what = f"{count} episode{'s' if count > 1 else ''} and what follows from them, {where}"
    return f"Forget {what}? There is no way back."


def receipt_text(receipt: Receipt) -> str:
    """A receipt for people: what is gone, and how that is known."""
    lines = []
    for title, counts in (("erased", receipt.erased), ("elsewhere", receipt.elsewhere)):
        rows = counted(counts)
        if rows:
            lines.append(f"{title}: {rows}")
    if not lines:
        lines.append("there was nothing to erase")
    proof = receipt.proof
    if proof.files:
        lines.append(
            f"looked for {proof.fragments:,} pieces of it in {len(proof.files)} files, "
            f"{proof.bytes_scanned:,} bytes, free space included: found {proof.found:,}"
        )
    if proof.rows_scanned:
        lines.append(f"looked through {proof.rows_scanned:,} rows that are left")
    for name, count in sorted(proof.live.items()):
        lines.append(f"still said by {count:,} {called(name, count)}, which nobody asked to erase")
    if not receipt.proved:
        lines.append("NOT PROVED: traces are left; try again when nothing else uses the database")
    lines += [f"note: {one_line(note, 400)}" for note in receipt.notes]
    return "\n".join(lines)


async def agrees(read: Callable[[str], Awaitable[str | None]]) -> bool:
    """Whether the person says yes; no answer is a no."""
    said = await read("Go ahead? [y/N] ")
    return said is not None and said.strip().lower() in ("y", "yes")


def require_somebody(options: MemoryOptions) -> None:
    """Raises InputError (`unconfirmed`) where nobody can be asked."""
    if options.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            "unconfirmed", "there is no way back, and nobody can be asked here: --yes confirms it"
        )


async def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes to a question."""
    from treadle.cli.approval import read_line
    from treadle.cli.interrupts import forget_typed

    print_note(question)
    forget_typed()
    return await agrees(read_line)
