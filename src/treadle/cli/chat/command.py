"""The loop of `treadle chat`."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from treadle.cli.chat.conversation import Conversation
from treadle.cli.options import CommonOptions, settings, state_folder
from treadle.cli.output import print_note
from treadle.core.errors import ConfigError
from treadle.core.threads import run_in_thread


async def run_chat(options: CommonOptions) -> int:
    """Talk until the person leaves; return the exit code. Raises ConfigError."""
    conversation = Conversation(options)
    try:
        _greet(conversation)
        lines = _typed(conversation) if options.interactive else _piped()
        async with aclosing(lines):
            async for line in lines:
                await conversation.take(line)
                if conversation.over:
                    break
    finally:
        await conversation.close()
    return 0


def _greet(conversation: Conversation) -> None:
    runtime = conversation.runtime
    print_note(
        f"Treadle, with {runtime.model.name} (from {runtime.model_source}), in {runtime.workspace}."
        f" /help lists the commands."
    )
    if runtime.model.name == "offline":
        print_note(
            "This is the offline stand-in, not a language model: it plans a documented range of "
            "tasks over files, tables, numbers and text."
        )


async def _piped() -> AsyncGenerator[str, None]:
    """The lines of stdin, where nobody types."""
    while True:
        data = await run_in_thread(sys.stdin.buffer.readline)
        if not data:
            return
        yield data.decode("utf-8", "replace").rstrip("\r\n")


async def _typed(conversation: Conversation) -> AsyncGenerator[str, None]:
    """What the person types, with history, completion and several lines."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from treadle.cli.chat.commands import COMMANDS
    from treadle.cli.chat.completion import ChatCompleter

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if (
            buffer.document.text_before_cursor.endswith("\\")
            and buffer.document.is_cursor_at_the_end
        ):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(_history_file())),
        completer=ChatCompleter(
            COMMANDS, lambda: conversation.runtime.tools, conversation.runtime.workspace
        ),
        complete_while_typing=False,
        key_bindings=keys,
        multiline=True,
        prompt_continuation="... ",
    )
    while True:
        try:
            yield await prompt.prompt_async("> ")
        except KeyboardInterrupt:
            print_note("(/exit or Ctrl-D leaves)")
        except EOFError:
            return


def _history_file() -> Path:
    """The file with what was typed; only its owner can read it. Raises ConfigError."""
    folder = state_folder(settings())
    path = folder / "history"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(
            "bad_state_folder", f"{folder}: {error.strerror}; set TREADLE_STATE_DIR"
        ) from None
    return path
