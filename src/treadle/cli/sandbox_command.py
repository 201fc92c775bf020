"""`treadle sandbox run`, `probe` and `selftest`."""

from __future__ import annotations

import codecs
import io
import json
import os
import stat
import sys
import tokenize
from collections.abc import Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle.cli.ending import INTERRUPTED
from treadle.cli.follow import until_stopped
from treadle.cli.harmless import harmless, one_line
from treadle.cli.interrupts import Stopped
from treadle.cli.options import CommonOptions
from treadle.cli.output import print_error, print_note, write_stdout
from treadle.core.errors import ErrorInfo, InputError, ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.contract import (
    RunStatus,
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxResult,
)

if TYPE_CHECKING:
    from treadle.tools.sandbox.attacks.report import AttackReport
    from treadle.tools.sandbox.probing import LevelReport, SandboxProbe

EXIT_CODES: dict[RunStatus, int] = {
    "ok": 0,
    "error": 1,
    "timeout": 4,
    "memory": 5,
    "killed": 6,
    "refused": 7,
}
BAD_INPUT = 2
MOST_BYTES = 8 * 1024 * 1024
CHARACTER_SETS = (
    "utf-8", "ascii", "iso8859", "cp", "koi8", "mac", "euc", "shift_jis", "gb", "big5", "johab",
    "tis-620", "iso2022", "hz", "ptcp154", "kz1048",
)  # fmt: skip
"""What the names of the codecs that a coding line may choose begin with."""


def run_file(
    file: str, limits: SandboxLimits, min_level: str, options: CommonOptions
) -> Coroutine[Any, Any, int]:
    """Read one Python file, then run it and print what came of it.

    It is read here and now: a thread that reads a pipe to which nobody writes can not be stopped.
    """
    try:
        code: str | InputError = _read(file)
    except InputError as error:
        code = error
    return _run(code, limits, SandboxLevel(min_level), options)


async def _run(
    code: str | InputError, limits: SandboxLimits, min_level: SandboxLevel, options: CommonOptions
) -> int:
    from treadle.tools.sandbox import Sandbox

    if isinstance(code, InputError):
        print_error(code, debug=options.debug)
        if options.json:
            _print_ascii_json(_refused(f"{code.code}: {code.message}"))
        return BAD_INPUT
    policy = SandboxPolicy(min_level=min_level)
    started = monotonic()
    async with Sandbox(limits=limits, policy=policy, warm=False) as sandbox:
        try:
            result = await until_stopped(sandbox.run(code))
        except Stopped:
            if not options.json:
                raise
            # Nothing has said how far it had come, nor at which level.
            document = {**_refused("interrupted"), "status": "killed"}
            document["seconds"] = round(monotonic() - started, 4)
            _print_ascii_json(document)
            return INTERRUPTED
    if options.json:
        _print_ascii_json(_document(result))
    else:
        _print(result)
    return EXIT_CODES[result.status]


def _read(file: str) -> str:
    """Raises InputError (`file_unreadable`)."""
    try:
        content = sys.stdin.buffer.read(MOST_BYTES + 1) if file == "-" else _content(file)
        if len(content) > MOST_BYTES:
            raise InputError("file_unreadable", f"{file} has more than {MOST_BYTES} bytes")
        return _decoded(content)
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError("file_unreadable", f"{file} cannot be read: {error}") from error


def _decoded(content: bytes) -> str:
    """As Python reads its source files, by their coding line. Raises SyntaxError and ValueError."""
    named, _lines = tokenize.detect_encoding(io.BytesIO(content).readline)
    coding = codecs.lookup(named).name
    if not coding.startswith(CHARACTER_SETS):
        # It would run here, on the host: some take long, and some are no character sets at all.
        raise ValueError(f"'{coding}' is no character set for source code here")
    return content.decode(coding)


def _content(file: str) -> bytes:
    with open(file, "rb", opener=_opened) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise InputError("file_unreadable", f"{file} is no file; - reads stdin")
        return opened.read(MOST_BYTES + 1)


def _opened(file: str, flags: int) -> int:
    # Opening a FIFO would wait for somebody who writes.
    return os.open(file, flags | os.O_NONBLOCK)


def refuse_usage(message: str) -> None:
    """The `--json` object of a `run` whose command line is wrong."""
    _print_ascii_json(_refused(f"bad_usage: {message}"))


def _refused(reason: str) -> dict[str, JsonValue]:
    """The object of what never ran."""
    return {
        "status": "refused",
        "exit_code": None,
        "stdout": "",
        "stderr": "",
        "level": None,
        "seconds": 0.0,
        "reason": reason,
    }


def _print_ascii_json(document: JsonValue) -> None:
    """JSON with all that is not printable ASCII escaped.

    What hostile code writes may stand in it, and a terminal takes more than ESC for a command.
    """
    text = json.dumps(document, ensure_ascii=True, indent=2, allow_nan=False)
    write_stdout(text.replace("\x7f", "\\u007f") + "\n")


def _document(result: SandboxResult) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {
        "status": result.status,
        "exit_code": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
        # What was refused ran at no level.
        "level": None if result.status == "refused" else result.level.value,
        "seconds": round(result.seconds, 4),
    }
    if result.reason:
        document["reason"] = result.reason
    if result.truncated:
        document["truncated"] = True
    return document


def _print(result: SandboxResult) -> None:
    """The output, with what could command a terminal spelled out; why it ended on stderr."""
    write_stdout(harmless(result.stdout))
    if result.stderr:
        print_note(harmless(result.stderr.removesuffix("\n")))
    if result.status == "refused":
        code, _, message = result.reason.partition(": ")
        print_error(ErrorInfo(code, message))
    elif result.status != "ok":
        print_note(f"{result.status}: {one_line(result.reason)} (level {result.level})")


def _print_progress(report: AttackReport) -> None:
    verdict = str(report.verdict).replace("_", " ")
    print_note(f"{report.name}: {verdict} ({report.seconds:.1f} s)")


async def show_probe(options: CommonOptions) -> int:
    """Print what came of trying each level."""
    from treadle.tools.sandbox.probing import probe_async

    found = await until_stopped(probe_async(again=True))
    if options.json:
        _print_ascii_json(found.as_json())
    else:
        write_stdout(probe_text(found))
    return EXIT_CODES["refused"] if found.strongest is None else 0


def probe_text(found: SandboxProbe) -> str:
    """The probe for people."""
    best = found.strongest
    lines = [f"level: {'none works here' if best is None else best.level}"]
    if best is not None:
        lines += [f"  bounded      {each}" for each in best.bounded]
        lines += [f"  NOT bounded  {each}" for each in best.unbounded]
    lines += ["", "all levels, the strongest first:"]
    lines += [f"  {each.level:10} {_outcome(each)}" for each in found.levels]
    return "\n".join(lines) + "\n"


def _outcome(report: LevelReport) -> str:
    return "works" if report.works else one_line(f"no: {report.reason}")


@dataclass(frozen=True, slots=True)
class Trials:
    """What the self-test is to try.

    only: names of attacks or groups; all for None. control: show that the attacks succeed without
    a sandbox. sessions: attack from within sessions.
    """

    only: list[str] | None
    min_level: SandboxLevel
    control: bool
    sessions: bool


async def selftest(trials: Trials, options: CommonOptions) -> int:
    """Attack the sandbox, print the table; 1 if something got through."""
    from treadle.tools.sandbox import Sandbox
    from treadle.tools.sandbox.attacks.selftest import run_selftest
    from treadle.tools.sandbox.attacks.session_runner import SessionRunner
    from treadle.tools.sandbox.boundaries import strongest_runner

    policy = SandboxPolicy(min_level=trials.min_level)
    try:
        await strongest_runner(policy)
    except ToolError as error:
        print_error(error, debug=options.debug)
        if options.json:
            _print_ascii_json(
                {"level": None, "error": {"code": error.code, "message": error.message}}
            )
        return EXIT_CODES["refused"]
    async with Sandbox(policy=policy) as sandbox:
        runner = SessionRunner(sandbox) if trials.sessions else sandbox
        work = run_selftest(runner, only=trials.only, control=trials.control, heard=_print_progress)
        found = await until_stopped(work)
    if options.json:
        _print_ascii_json(found.as_json())
    else:
        write_stdout(found.as_table() + "\n")
    return found.exit_code
