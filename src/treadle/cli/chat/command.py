"""`treadle chat`."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.chat.commands import STAND_IN, is_stand_in, model_text
from treadle.cli.chat.conversation import Conversation
from treadle.cli.chat.screen import PipeScreen, Screen, TerminalScreen
from treadle.cli.chat.turn_view import LiveTurn, QuietTurn
from treadle.cli.interrupts import Stopped, stoppable, until_ended
from treadle.cli.options import CommonOptions, settings, state_folder
from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    from prompt_toolkit.history import History

INTERRUPTED = 128 + signal.SIGINT


async def run_chat(options: CommonOptions, thread: str | None = None) -> int:
    """Talk until the person leaves, or the input ends; return the exit code.

    thread: the conversation of an earlier chat to go on with.

    Raises ConfigError for options that cannot be used, and InputError (`unknown_thread`); nothing
    later raises.
    """
    if sys.stdin.isatty() and sys.stdout.isatty():
        return await until_ended(_at_terminal(options, thread))
    try:
        return await stoppable(_over_pipe(options, thread))
    except Stopped:
        return INTERRUPTED


async def _at_terminal(options: CommonOptions, thread: str | None) -> int:
    from treadle.cli.chat.completer import ChatCompleter
    from treadle.cli.chat.prompt import ChatPrompt

    screen = TerminalScreen(debug=options.debug)
    # Before the Runtime: who creates the state folder decides who can read it.
    history = _history(screen)
    conversation = Conversation(
        options,
        screen,
        lambda: LiveTurn(screen),
        lambda question: prompt.answer(question),
        thread,
    )
    prompt = ChatPrompt(
        ChatCompleter(lambda: conversation.runtime.workspace, lambda: conversation.runtime.tools),
        history,
    )
    async with conversation:
        _greet(conversation)
        while not conversation.over:
            try:
                await conversation.take(await prompt.entry())
            except KeyboardInterrupt:
                screen.note("Ctrl-D or /exit leaves")
            except EOFError:
                break
        _say_how_to_go_on(conversation)
    return 0


async def _over_pipe(options: CommonOptions, thread: str | None) -> int:
    screen = PipeScreen(debug=options.debug)
    async with Conversation(options, screen, QuietTurn, None, thread) as conversation:
        _greet(conversation)
        async for line in _lines():
            try:
                entry = line.decode("utf-8")
            except UnicodeDecodeError as error:
                position = f"byte {error.start} of a line"
                screen.error(InputError("bad_encoding", f"{position} is not UTF-8; it is skipped"))
                continue
            await conversation.take(entry)
            if conversation.over:
                break
    return 0


async def _lines() -> AsyncIterator[bytes]:
    """The lines of stdin; one that ends in a backslash goes on in the next."""
    kept = b""
    while line := await run_in_thread(sys.stdin.buffer.readline):
        kept += line.rstrip(b"\r\n")
        if kept.endswith(b"\\"):
            kept = kept[:-1] + b"\n"
            continue
        yield kept
        kept = b""
    if kept:
        yield kept


def _say_how_to_go_on(conversation: Conversation) -> None:
    if conversation.options.memory and conversation.session.messages:
        thread = conversation.session.thread_id
        conversation.screen.note(f"treadle chat --resume {thread} goes on with this conversation")


def _greet(conversation: Conversation) -> None:
    home, workspace = Path.home(), conversation.runtime.workspace
    shown = f"~/{workspace.relative_to(home)}" if workspace.is_relative_to(home) else workspace
    conversation.screen.note(f"Treadle · {model_text(conversation)} · {shown} · /help")
    if is_stand_in(conversation):
        conversation.screen.note(STAND_IN)
    if said := len(conversation.session.messages):
        conversation.screen.note(f"going on with a conversation of {said} messages")


def _history(screen: Screen) -> History:
    """The history file, or, where it cannot be kept, one of this session only; it says so."""
    from prompt_toolkit.history import InMemoryHistory

    from treadle.cli.chat.history import PrivateHistory

    path = state_folder(settings()) / "history"
    try:
        return PrivateHistory(path)
    except OSError as error:
        screen.note(f"what you type is not kept for later: {path}: {error.strerror}")
        return InMemoryHistory()
