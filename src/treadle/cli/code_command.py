"""`treadle code`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from treadle.cli.code_run import run_recorded
from treadle.cli.harmless import harmless, one_line
from treadle.cli.interrupts import forget_typed
from treadle.cli.options import CommonOptions, settings
from treadle.cli.output import print_json, print_note, stdout_is_terminal, write_stdout
from treadle.core.errors import ConfigError, InputError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    from treadle.agents.coding import Answer, CodeAgent, CodeResult, Question, RepositoryResult
    from treadle.core.chat import ChatModel

EXIT_CODES = {"passed": 0, "unverified": 0, "failed": 1, "doubtful": 3}
STATUSES = {"passed": "succeeded", "unverified": "succeeded", "failed": "failed",
            "doubtful": "waiting"}  # fmt: skip
_WORDS = {
    "passed": "every test passed",
    "unverified": "not verified: there were no tests but what the model made up",
    "failed": "it fails",
    "doubtful": "every test passed, but nobody has said what is right for some inputs",
}


@dataclass(frozen=True, slots=True)
class CodeOptions:
    """What `treadle code` is told beside the options that commands share."""

    tests: Path | None = None
    strategy: str = "quick"
    candidates: int | None = None
    show_tests: bool = False
    repository: Path | None = None
    test_command: str | None = None


async def write_code(task: str, chosen: CodeOptions, options: CommonOptions) -> int:
    """Write a program, or change a repository, and print what came of it; return the exit code.

    Raises InputError, ConfigError, ModelError, ToolError and BudgetExceeded.
    """
    from treadle.serving.resolve import choose_model

    if not task.strip():
        raise InputError("empty_task", "say what is to be done")
    _check_combination(chosen)
    if chosen.repository is not None:
        agent_work = _repository_work(task, chosen.repository, chosen.test_command)
    else:
        agent_work = _program_work(task, chosen, options)
    model = choose_model(options.model, settings()).model
    try:
        _check_model(model, chosen)
        return await agent_work(model, options)
    finally:
        await model.aclose()


def _check_model(model: ChatModel, chosen: CodeOptions) -> None:
    """Refuse the offline stand-in before there is a run: it could only fail."""
    from treadle.serving.offline import OfflineModel
    from treadle.serving.offline.wording import OUT_OF_RANGE

    if isinstance(model, OfflineModel):
        what = "write a program" if chosen.repository is None else "change a repository"
        raise ConfigError("offline_out_of_range", OUT_OF_RANGE.format(what=what))


Work: TypeAlias = "Callable[[ChatModel, CommonOptions], Awaitable[int]]"


def _program_work(task: str, chosen: CodeOptions, options: CommonOptions) -> Work:
    from treadle.agents.coding.suite import Suite

    tests = "" if chosen.tests is None else _tests(chosen.tests)
    Suite(tests)  # what is wrong with them is said before there is a run
    agent = _agent(chosen, options)

    async def work(model: ChatModel, options: CommonOptions) -> int:
        async def written() -> CodeResult:
            return (await agent.run(task, model=model, tests=tests)).output

        run_id, result = await run_recorded(agent.name, task, written, options)
        _print(result, run_id, options)
        return EXIT_CODES[result.verdict]

    return work


def _repository_work(task: str, folder: Path, command: str | None) -> Work:
    from treadle.agents.coding import ProjectTests, RepositoryAgent
    from treadle.cli.code_repository import EXIT_CODES, print_changes

    if not folder.is_dir():
        raise InputError("file_not_found", f"there is no folder '{folder}'")
    tests = ProjectTests() if command is None else ProjectTests(_split(command))
    agent = RepositoryAgent(folder, tests=tests)
    changes = str(folder.absolute())

    async def work(model: ChatModel, options: CommonOptions) -> int:
        async def changed() -> RepositoryResult:
            return (await agent.run(task, model=model)).output

        run_id, result = await run_recorded(agent.name, task, changed, options, changes=changes)
        print_changes(result, run_id, options)
        return EXIT_CODES[result.verdict]

    return work


def _agent(chosen: CodeOptions, options: CommonOptions) -> CodeAgent:
    from treadle.agents.coding import CodeAgent, Strategy

    return CodeAgent(
        strategy=Strategy.named(chosen.strategy, candidates=chosen.candidates),
        clarify=ask_what_is_right if options.interactive else None,
        show_tests=chosen.show_tests,
    )


def _check_combination(chosen: CodeOptions) -> None:
    alone = chosen.tests is not None or chosen.show_tests or chosen.candidates is not None
    if chosen.repository is not None and (alone or chosen.strategy != "quick"):
        raise InputError(
            "bad_usage",
            "--repository works with the repository's own tests: leave out --tests, --show-tests, "
            "--strategy and --candidates",
        )
    if chosen.repository is None and chosen.test_command is not None:
        raise InputError("bad_usage", "--test-command needs --repository")


def _split(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise InputError("bad_usage", f"--test-command: {error}") from None


def _tests(path: Path) -> str:
    from treadle.cli.run_command import read_file

    try:
        return read_file(str(path)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("bad_encoding", f"{path} is not UTF-8 (byte {error.start})") from None


def _print(result: CodeResult, run_id: str, options: CommonOptions) -> None:
    if options.json:
        print_json(
            {
                "status": STATUSES[result.verdict],
                "run_id": run_id,
                **result.as_json(),
                "error": None,
            }
        )
        return
    write_stdout(harmless(result.code) if stdout_is_terminal() else result.code)
    evidence = result.evidence
    given = evidence.given.total + evidence.person.total
    passed = evidence.given.passed + evidence.person.passed
    tests = f" ({passed} of {given} tests)" if given else ""
    attempts = f"{evidence.attempts} attempt{'' if evidence.attempts == 1 else 's'}"
    print_note(
        f"{_WORDS[result.verdict]}{tests}; {attempts}, "
        f"{evidence.usage.total_tokens:,} tokens, sandbox level {evidence.level}"
    )
    for failure in result.failures[:5]:
        print_note(f"- {one_line(failure, 300)}")
    for doubt in result.doubts[:5]:
        outcomes = " or ".join(each.shown for each in doubt.options)
        print_note(f"? {one_line(f'{doubt.call}: {outcomes}', 300)}")
    if evidence.stopped is not None:
        print_note(f"stopped early: {one_line(str(evidence.stopped), 300)}")


async def ask_what_is_right(question: Question) -> Answer | None:
    """Show an input and the outcomes that there are; None where the person does not know."""
    print_note(f"What should this do? {one_line(str(question.call), 600)}")
    for number, option in enumerate(question.options, 1):
        who = f"{option.candidates} programs" if option.candidates else "a test that was made up"
        print_note(f"  {number}: {one_line(option.shown, 600)} ({who})")
    forget_typed()
    while True:
        sys.stderr.write("A number, = and a JSON value, or Enter for no opinion: ")
        sys.stderr.flush()
        line = await run_in_thread(sys.stdin.readline)
        if not line.strip():
            return None
        found = reply(line.strip(), question)
        if found is not None:
            return found
        print_note("That is none of them.")


def reply(said: str, question: Question) -> Answer | None:
    """What a line means; None where it means nothing."""
    from treadle.agents.coding import Answer

    if said.startswith("="):
        try:
            return Answer(json.loads(said[1:]))
        except (ValueError, RecursionError):
            return None
    if said.isdecimal() and 1 <= int(said) <= len(question.options):
        return question.options[int(said) - 1].answer
    return None
