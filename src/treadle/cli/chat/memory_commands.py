"""`/remember`, `/recall` and `/forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.chat.memory import ChatMemory, recalled_lines
from treadle.cli.interrupts import stoppable
from treadle.cli.memory_forget_command import DECLINED, Doom, agrees, question, receipt_text
from treadle.cli.memory_read_command import NOTHING
from treadle.cli.memory_show import hit_lines
from treadle.core.errors import InputError, RunError

if TYPE_CHECKING:
    from treadle.cli.chat.conversation import Conversation

HITS = 8

_SAID = {
    "new": "remembered",
    "duplicate": "known already",
    "echo": "not kept: it is what memory itself has said before",
}


async def remember(conversation: Conversation, argument: str) -> None:
    """Keep a text."""
    outcome = await memory_of(conversation).remember(argument)
    conversation.screen.note(_SAID[outcome])


async def recall(conversation: Conversation, argument: str) -> None:
    """Show what bears on a query, or what the last turn was given."""
    memory = memory_of(conversation)
    if not argument:
        lines = recalled_lines(memory.recalled)
        if lines:
            conversation.screen.say("\n".join(lines))
        else:
            conversation.screen.note("the last turn was given nothing from memory")
        return
    with conversation.screen.busy("recalling… Ctrl-C stops it"):
        # For a person to read: what is seen on a screen comes back in their own words.
        found = await stoppable(memory.memory.recall(argument, HITS, note=False))
    if found.nothing_relevant:
        conversation.screen.note(f"{NOTHING}: {found.reason}" if found.reason else NOTHING)
        return
    conversation.screen.say("\n".join(hit_lines(found.hits, explain=True)))


async def forget(conversation: Conversation, argument: str) -> None:
    """Erase what says a name, once a person has agreed; the conversation goes with it."""
    memory = memory_of(conversation)
    if not conversation.options.yes:
        read = conversation.read
        if read is None:
            raise InputError(
                "unconfirmed", "there is no way back, and nobody can be asked here: --yes confirms"
            )
        conversation.screen.note(question(Doom(argument), memory.namespace))
        if not await agrees(read):
            conversation.screen.note(DECLINED)
            return
    pending: RunError | None = None
    try:
        with conversation.screen.busy("forgetting…"):
            receipt = await memory.memory.forget(subject=argument)
        conversation.screen.say(receipt_text(receipt))
    except RunError as error:
        # The rows are gone; files that others use are still to be cleaned.
        if error.code != "erasure_pending":
            raise
        pending = error
    memory.recalled = ()
    await conversation.session.reset()
    conversation.screen.note("this conversation is forgotten, too")
    if pending is not None:
        raise pending


def memory_of(conversation: Conversation) -> ChatMemory:
    """The memory of a conversation. Raises InputError (`no_memory`) where it has none."""
    if conversation.memory is None:
        raise InputError("no_memory", "this chat has no memory: it was started with --no-memory")
    return conversation.memory
