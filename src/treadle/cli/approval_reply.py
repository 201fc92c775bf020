"""What a person types when calls are to be approved, and what follows from it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from treadle.cli.chat.describe import calls_text
from treadle.cli.harmless import one_line
from treadle.core.errors import InputError, TreadleError
from treadle.core.json_value import compact_json
from treadle.executor import PendingCall
from treadle.executor.approval import Arguments, Decision, check_edit

Read: TypeAlias = Callable[[str], Awaitable[str | None]]
"""Reads a line after a prompt; None where the person gives none (Ctrl-D)."""

_YES, _NO = ("y", "yes"), ("", "n", "no")
_REASON = re.compile(r"\bbecause\b|:", re.IGNORECASE)
_MANY = "y: all, n: none, 1,3: only these, e 2: edit the arguments of 2, n because ...: say why"
_ONE = "y: yes, n: no, e: edit the arguments, n because ...: say why"
LONGEST_EDIT = 300
"""Characters of the arguments that are shown again before they are edited."""


@dataclass(frozen=True, slots=True)
class Picked:
    """The numbers, from 1, of the calls that run; the others do not, for `reason`."""

    numbers: frozenset[int]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """The number of the call whose arguments are to be edited."""

    number: int


def parse_reply(line: str, count: int) -> Picked | Edit:
    """What `line` says of `count` calls. Raises InputError (`bad_reply`)."""
    words, reason = line.strip(), None
    if (because := _REASON.search(words)) is not None:
        words, reason = words[: because.start()], words[because.end() :].strip() or None
    words = words.strip().lower()
    if words in _YES and reason is None:
        return Picked(frozenset(range(1, count + 1)))
    if words in _NO:
        return Picked(frozenset(), reason)
    edits = re.fullmatch(r"e(?:dit)?(?:\s+(\d{1,6}))?", words)
    if edits is not None and (edits[1] or count == 1):
        return Edit(_number(edits[1] or "1", count))
    if re.fullmatch(r"\d{1,6}(?:[\s,]+\d{1,6})*,?", words):
        numbers = {_number(each, count) for each in re.findall(r"\d+", words)}
        return Picked(frozenset(numbers), reason)
    raise InputError("bad_reply", _MANY if count > 1 else _ONE)


def _number(text: str, count: int) -> int:
    number = int(text)
    if not 1 <= number <= count:
        raise InputError("bad_reply", f"there is no call {number}; 1 to {count}")
    return number


async def decided(
    calls: Sequence[PendingCall], question: str, read: Read, note: Callable[[str], None]
) -> dict[str, Decision] | None:
    """What a person decides on `calls`, by step id; None where there is no answer.

    note: shows a text. read: see `Read`; it is asked again until the line makes sense.
    """
    edited: dict[str, Arguments] = {}
    many = len(calls) > 1
    note(f"{'These calls change' if many else 'This call changes'} things:\n{calls_text(calls)}")
    if many:
        note(_MANY)
    while (line := await read(f"{question} [y/N] ")) is not None:
        try:
            reply = parse_reply(line, len(calls))
            if isinstance(reply, Picked):
                return _decisions(calls, reply, edited)
            await _edit(calls[reply.number - 1], edited, read, note)
        except InputError as error:
            note(error.message)
    return None


def _decisions(
    calls: Sequence[PendingCall], picked: Picked, edited: dict[str, Arguments]
) -> dict[str, Decision]:
    return {
        call.step_id: (
            Decision(True, arguments=edited.get(call.step_id))
            if number in picked.numbers
            else Decision(False, picked.reason)
        )
        for number, call in enumerate(calls, start=1)
    }


async def _edit(
    call: PendingCall, edited: dict[str, Arguments], read: Read, note: Callable[[str], None]
) -> None:
    """Read new arguments until they fit; nothing typed leaves them as they are."""
    if call.for_each:
        note("one call for each item: approve it, or deny it")
        return
    now = compact_json(edited.get(call.step_id, call.arguments))
    if len(now) <= LONGEST_EDIT:
        note(f"  {now}")
    while line := ((await read(f"arguments of {call.step_id} as JSON: ")) or "").strip():
        try:
            arguments = json.loads(line)
            if not isinstance(arguments, dict):
                raise InputError("bad_reply", "the arguments must be a JSON object")
            check_edit(call, Decision(True, arguments=arguments))
        except TreadleError as error:
            note(one_line(error.message, 400))
        except (ValueError, RecursionError) as error:
            note(f"not JSON: {error}")
        else:
            edited[call.step_id] = arguments
            note(calls_text([replace(call, arguments=arguments)]))
            return
    note("the arguments stay as they are")
