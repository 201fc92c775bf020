"""The slash commands of the chat."""

from __future__ import annotations

import difflib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from treadle.cli.chat.save import save
from treadle.cli.harmless import harmless
from treadle.cli.output import write_stdout
from treadle.cli.tools_command import tools_text
from treadle.core.errors import InputError

if TYPE_CHECKING:
    from treadle.cli.chat.conversation import Conversation

Command: TypeAlias = Callable[["Conversation", str], Awaitable[None]]

HELP = """/help              this text
/plan [TASK]       the last plan, or the plan of a task without running it
/tools [NAME]      what plans may call, or one tool in full
/model [SPEC]      the model, or another one; the conversation goes on
/usage             tokens and calls so far
/reset             forget the conversation
/save FILE         write the conversation to FILE (.md or .json)
/exit              leave (Ctrl-D too)

Alt-Enter, or a \\ at the end of a line, starts another line. Ctrl-C stops a run.
"""


async def run_command(conversation: Conversation, line: str) -> None:
    """Carry out a line that starts with a slash.

    Raises InputError (`unknown_command`), and what the command raises.
    """
    name, _, argument = line.strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        advice = f"did you mean {close[0]}?" if close else "see /help"
        raise InputError("unknown_command", f"there is no command {name[:40]}; {advice}")
    await command(conversation, argument.strip())


async def _help(conversation: Conversation, argument: str) -> None:
    write_stdout(HELP)


async def _plan(conversation: Conversation, argument: str) -> None:
    from treadle.planner.draw import to_tree

    plan = conversation.session.last_plan
    if argument:
        plan = await conversation.runtime.plan(argument)
    if plan is None:
        raise InputError("no_plan_yet", "nothing was planned so far; /plan TASK plans something")
    write_stdout(harmless(to_tree(plan)))


async def _tools(conversation: Conversation, argument: str) -> None:
    tools = conversation.runtime.tools
    if not argument:
        write_stdout(tools_text(tools))
        return
    tool = tools.find(argument)
    write_stdout(harmless(f"{tool.name} ({tool.effect.value})\n{tool.description}\n"))
    write_stdout(harmless(json.dumps(dict(tool.parameters), ensure_ascii=False, indent=2)) + "\n")


async def _model(conversation: Conversation, argument: str) -> None:
    if argument:
        await conversation.use_model(argument)
    runtime = conversation.runtime
    write_stdout(harmless(f"{runtime.model.name} (from {runtime.model_source})\n"))


async def _usage(conversation: Conversation, argument: str) -> None:
    usage = conversation.session.usage
    write_stdout(
        f"{usage.total_tokens:,} tokens ({usage.prompt_tokens:,} in, {usage.completion_tokens:,} "
        f"out, {usage.cached_tokens:,} from a cache) in {usage.calls} model calls\n"
    )


async def _reset(conversation: Conversation, argument: str) -> None:
    await conversation.session.reset()
    write_stdout("the conversation is forgotten\n")


async def _save(conversation: Conversation, argument: str) -> None:
    path = save(argument, conversation.session)
    write_stdout(harmless(f"saved to {path}\n"))


async def _exit(conversation: Conversation, argument: str) -> None:
    conversation.over = True


COMMANDS: Mapping[str, Command] = {
    "/help": _help,
    "/plan": _plan,
    "/tools": _tools,
    "/model": _model,
    "/usage": _usage,
    "/reset": _reset,
    "/save": _save,
    "/exit": _exit,
    "/quit": _exit,
}
