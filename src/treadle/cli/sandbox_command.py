"""`treadle sandbox run`, `probe` and `selftest`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.follow import until_stopped
from treadle.cli.harmless import harmless, one_line
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


async def run_file(
    file: str, timeout: float, memory: int, min_level: SandboxLevel, options: CommonOptions
) -> int:
    """Run one Python file; print what came of it."""
    from treadle.tools.sandbox import Sandbox

    try:
        code = await asyncio.to_thread(_read, file)
    except InputError as error:
        print_error(error, debug=options.debug)
        if options.json:
            _print_ascii_json(_document(_refused(f"{error.code}: {error.message}", min_level)))
        return BAD_INPUT
    limits = SandboxLimits(seconds=timeout, cpu_seconds=timeout, memory_bytes=memory * 1024 * 1024)
    policy = SandboxPolicy(min_level=min_level)
    async with Sandbox(limits=limits, policy=policy, warm=False) as sandbox:
        result = await until_stopped(sandbox.run(code))
    if options.json:
        _print_ascii_json(_document(result))
    else:
        _print(result)
    return EXIT_CODES[result.status]


def _read(file: str) -> str:
    """Raises InputError (`file_unreadable`)."""
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError("file_unreadable", f"{file} has more than {MOST_BYTES} bytes")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError("file_unreadable", f"{file} cannot be read: {error}") from error


def _refused(reason: str, level: SandboxLevel) -> SandboxResult:
    return SandboxResult("refused", None, "", "", level, 0.0, reason=reason)


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
        "level": result.level.value,
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
