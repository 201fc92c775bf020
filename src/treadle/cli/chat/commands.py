"""What the slash commands do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from treadle.cli.chat.describe import help_text, tool_text, usage_text
from treadle.cli.chat.memory_commands import forget, recall, remember
from treadle.cli.chat.save import Transcript, save
from treadle.cli.chat.slash import SlashCall
from treadle.cli.interrupts import stoppable
from treadle.cli.tools_command import tools_text
from treadle.core.errors import InputError
from treadle.planner import to_tree

if TYPE_CHECKING:
    from treadle.cli.chat.conversation import Conversation

Act: TypeAlias = Callable[["Conversation", str], Awaitable[None]]

STAND_IN = (
    "offline is a small stand-in and not a language model: it plans requests about files, tables "
    "and numbers, and remembers. /model SPEC switches to a real one."
)


async def run_command(conversation: Conversation, call: SlashCall) -> None:
    """Carry out a command. Raises the TreadleError that says why it cannot be."""
    await ACTS[call.command.name](conversation, call.argument)


def model_text(conversation: Conversation) -> str:
    """The model and where it was chosen."""
    runtime = conversation.runtime
    return f"{runtime.model.name} ({runtime.model_source})"


def is_stand_in(conversation: Conversation) -> bool:
    """Whether nothing but the offline stand-in answers."""
    return conversation.runtime.model.name == "offline"


async def _help(conversation: Conversation, argument: str) -> None:
    conversation.screen.say(help_text())


async def _plan(conversation: Conversation, argument: str) -> None:
    plan = conversation.session.last_plan
    if argument:
        with conversation.screen.busy("planning… Ctrl-C stops it"):
            plan = await stoppable(conversation.session.plan(argument))
    if plan is None:
        raise InputError("no_plan_yet", "there is no plan yet; /plan TASK makes one")
    conversation.screen.say(to_tree(plan))


async def _tools(conversation: Conversation, argument: str) -> None:
    tools = conversation.runtime.tools
    if argument:
        conversation.screen.say(tool_text(tools.find(argument)))
    else:
        conversation.screen.rows(tools_text(tools))


async def _model(conversation: Conversation, argument: str) -> None:
    if argument:
        await conversation.use_model(argument)
    conversation.screen.say(f"model: {model_text(conversation)}")
    if is_stand_in(conversation):
        conversation.screen.note(STAND_IN)


async def _usage(conversation: Conversation, argument: str) -> None:
    conversation.screen.say(usage_text(conversation.session.usage))


async def _reset(conversation: Conversation, argument: str) -> None:
    await conversation.session.reset()
    conversation.screen.note("the conversation is forgotten")


async def _save(conversation: Conversation, argument: str) -> None:
    session = conversation.session
    transcript = Transcript(session.messages, session.last_plan, conversation.runtime.model.name)
    conversation.screen.note(f"saved to {save(transcript, argument)}")


async def _exit(conversation: Conversation, argument: str) -> None:
    conversation.over = True


ACTS: Mapping[str, Act] = {
    "remember": remember,
    "recall": recall,
    "forget": forget,
    "help": _help,
    "plan": _plan,
    "tools": _tools,
    "model": _model,
    "usage": _usage,
    "reset": _reset,
    "save": _save,
    "exit": _exit,
}
