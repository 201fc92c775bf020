"""Agent programs from a file: JSON lines, plain or gzip; one program a line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from treadle.core.errors import InputError
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn

LONGEST_LINE = 32 * 2**20
"""Bytes of a line: a program of a thousand turns takes 200 KB."""

LARGEST_TRACE = 2 * 2**30
"""Bytes in all, unpacked."""

_GZIP = b"\x1f\x8b"

_Tokens = Annotated[int, Field(strict=True, ge=0, le=100_000_000)]
_Seconds = Annotated[float, Field(strict=True, ge=0.0, le=1e7, allow_inf_nan=False)]


def _beginning(row: object) -> object:
    """Name, class, argument hash and duration; what follows them is of no use here."""
    return row[:4] if isinstance(row, list) else row


_Tool = Annotated[tuple[str, str, str, _Seconds], BeforeValidator(_beginning)]


class _TurnRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")

    inp: Annotated[_Tokens, Field(ge=1)]
    out: _Tokens
    tools: list[_Tool] = []


class _ProgramRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")

    program: Annotated[str, Field(min_length=1, max_length=1_000)]
    turns: Annotated[list[_TurnRecord], Field(min_length=1)]


def read_trace(path: Path) -> tuple[AgentProgram, ...]:
    """The programs in the trace at `path`, in order.

    The gap after a call is as long as the slowest of its tools; recorded times of calls are not
    used. A call without output counts as one of a single token.

    Raises InputError: `trace_unreadable` for a file that cannot be read to its end, is empty or
    too large; `bad_trace`, with the line, for a program that makes no sense.
    """
    programs = tuple(
        _program(line, f"{path}, line {number}") for number, line in _lines(path) if line.strip()
    )
    if not programs:
        raise InputError("trace_unreadable", f"{path}: no program in it; write one a line")
    return programs


def write_trace(path: Path, programs: Sequence[AgentProgram]) -> None:
    """Write `programs` in the same format, plain, or gzip where the name ends in .gz.

    Raises InputError `file_unwritable`.
    """
    try:
        with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
            for program in programs:
                file.write(json.dumps(_record(program), separators=(",", ":")).encode() + b"\n")
    except OSError as error:
        raise InputError("file_unwritable", f"{path}: {error.strerror or error}") from error


def _record(program: AgentProgram) -> dict[str, object]:
    return {
        "program": program.name,
        "turns": [
            {
                "inp": turn.prompt_tokens,
                "out": turn.output_tokens,
                "tools": [
                    [run.tool.partition(":")[0], run.tool, run.pattern, round(run.seconds, 3)]
                    for run in turn.tools
                ],
            }
            for turn in program.turns
        ],
    }


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers."""
    if path.is_dir():
        raise InputError("trace_unreadable", f"{path}: a folder; name a file of JSON lines")
    if path.exists() and not path.is_file():
        raise InputError("trace_unreadable", f"{path}: not a regular file; save it to one first")
    number, size = 0, 0
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _GZIP
            plain.seek(0)
            file = cast("BinaryIO", gzip.GzipFile(fileobj=plain)) if packed else plain
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                size += len(line)
                if len(line) > LONGEST_LINE:
                    raise InputError(
                        "trace_unreadable",
                        f"{path}, line {number}: longer than {LONGEST_LINE >> 20} MiB; "
                        f"write one program a line",
                    )
                if size > LARGEST_TRACE:
                    raise InputError(
                        "trace_unreadable",
                        f"{path}: more than {LARGEST_TRACE >> 30} GiB unpacked; split it",
                    )
                yield number, line
    except EOFError as error:
        raise InputError(
            "trace_unreadable", f"{path}: the gzip file ends too early, after line {number}"
        ) from error
    except zlib.error as error:
        raise InputError("trace_unreadable", f"{path}: damaged gzip file: {error}") from error
    except OSError as error:
        raise InputError("trace_unreadable", f"{path}: {error.strerror or error}") from error


def _program(line: bytes, where: str) -> AgentProgram:
    try:
        record = _ProgramRecord.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(each) for each in first["loc"])
        raise InputError(
            "bad_trace", f"{where}: {place + ': ' if place else ''}{first['msg']}"
        ) from error
    turns = []
    before = 0
    for index, turn in enumerate(record.turns):
        if turn.inp < before:
            raise InputError(
                "bad_trace",
                f"{where}: turns.{index}.inp: {turn.inp} tokens are fewer than the {before} of "
                f"the turn before; each prompt extends the one before",
            )
        before = turn.inp
        tools = tuple(ToolRun(tool, pattern, seconds) for _, tool, pattern, seconds in turn.tools)
        turns.append(Turn(turn.inp, max(1, turn.out), tools))
    return AgentProgram(record.program, tuple(turns))
