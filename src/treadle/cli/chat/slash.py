"""Slash commands: which there are, and how a line is told apart from a task."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from treadle.core.errors import InputError


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A command; `argument` is how it is shown: `FILE` must be there, `[NAME]` may, "" not."""

    name: str
    argument: str
    summary: str

    @property
    def usage(self) -> str:
        """The command as it is typed."""
        return f"/{self.name} {self.argument}".rstrip()


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand("help", "", "What you can type here."),
    SlashCommand("plan", "[TASK]", "The last plan; with TASK, plan it and run nothing."),
    SlashCommand("tools", "[NAME]", "What plans may use; with NAME, one tool in detail."),
    SlashCommand("model", "[SPEC]", "The model; with SPEC, switch and keep talking."),
    SlashCommand("remember", "TEXT", "Keep a text in memory, for later conversations, too."),
    SlashCommand("recall", "[QUERY]", "What memory has on QUERY; what the last turn was given."),
    SlashCommand("forget", "SUBJECT", "Erase for good all that says SUBJECT; asks before."),
    SlashCommand("usage", "", "Tokens and model calls of this session."),
    SlashCommand("reset", "", "Forget the conversation."),
    SlashCommand("save", "FILE", "Write the conversation to FILE, a .md or .json."),
    SlashCommand("exit", "", "Leave; so do /quit and Ctrl-D."),
)
ALIASES = {"quit": "exit"}
NAMES = (*(command.name for command in COMMANDS), *ALIASES)

_SHAPE = re.compile(r"/([A-Za-z?][\w?-]*|)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SlashCall:
    """A command as it was typed; `argument` is "" where there is none."""

    command: SlashCommand
    argument: str = ""


def parse_entry(text: str) -> SlashCall | str:
    """A command, or the task that the text is ("" for a blank entry).

    A path such as `/etc/hosts` is no command. Raises InputError: `unknown_command` with a
    suggestion, `bad_command` for an argument that is missing or not taken.
    """
    entry = text.strip()
    shape = _SHAPE.fullmatch(entry)
    if shape is None:
        return entry
    typed, argument = shape[1].lower(), (shape[2] or "").strip()
    name = ALIASES.get(typed, typed)
    command = next((each for each in COMMANDS if each.name == name), None)
    if command is None:
        raise _unknown(typed)
    if argument and not command.argument:
        raise InputError("bad_command", f"{command.usage} takes nothing after it")
    if not argument and command.argument and not command.argument.startswith("["):
        raise InputError("bad_command", f"write {command.usage}")
    return SlashCall(command, argument)


def _unknown(typed: str) -> InputError:
    close = difflib.get_close_matches(typed[:40], NAMES, n=1, cutoff=0.5)
    advice = f"did you mean /{close[0]}?" if close else "/help lists them"
    return InputError("unknown_command", f"there is no command '/{typed[:40]}'; {advice}")
