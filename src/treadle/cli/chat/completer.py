"""Completion: slash commands, tool names, model forms, files of the workspace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from treadle.cli.chat.slash import ALIASES, COMMANDS
from treadle.cli.harmless import one_line
from treadle.tools import ToolRegistry

MODEL_FORMS = (
    "offline",
    "openai:",
    "ollama:",
    "vllm:http://",
    "sglang:http://",
    "dynamo:http://",
    "http://",
)
MOST_READ = 2_000
"""Entries of a folder that are looked at; completion must never make typing slow."""
MOST_SHOWN = 100


class ChatCompleter(Completer):
    """Completes what is typed at the chat's prompt.

    workspace, tools: looked up anew each time, as `/model` makes a new Runtime.

    While typing, only commands and words that look like a path open a menu; Tab completes any
    word to a file of the workspace.
    """

    def __init__(self, workspace: Callable[[], Path], tools: Callable[[], ToolRegistry]) -> None:
        self._workspace = workspace
        self._tools = tools

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """The completions at the cursor."""
        before = document.text_before_cursor
        command, space, argument = before.lstrip().partition(" ")
        if command.startswith("/") and "/" not in command[1:]:
            if not space:
                yield from _commands(command[1:].lower())
                return
            match command[1:].lower():
                case "tools":
                    yield from self._tool_names(argument.lstrip())
                    return
                case "model":
                    yield from _starting(MODEL_FORMS, argument.lstrip())
                    return
                case "save":
                    yield from _save_paths(argument.lstrip())
                    return
                case "plan":
                    pass
                case _:
                    return
        yield from self._paths(before, complete_event.completion_requested)

    def _tool_names(self, typed: str) -> Iterator[Completion]:
        for name, tool in self._tools().items():
            if name.startswith(typed):
                about = one_line(tool.description, 60)
                yield Completion(name, -len(typed), display=one_line(name), display_meta=about)

    def _paths(self, before: str, requested: bool) -> Iterator[Completion]:
        word = "" if before[-1:].isspace() else (before.split() or [""])[-1]
        word = word.lstrip("\"'(`")
        looks_like_path = "/" in word or (len(word) > 1 and "." in word)
        if not (looks_like_path or (requested and word)) or not word.isprintable():
            return
        folder, _, typed = word.rpartition("/")
        root = self._workspace()
        inside = (root / folder).resolve()
        # Only what the tools can see: no absolute path, no way out through `..` or a link.
        if word.startswith(("/", "~")) or not inside.is_relative_to(root):
            return
        yield from _entries(inside, typed)


def _commands(typed: str) -> Iterator[Completion]:
    for command in COMMANDS:
        if command.name.startswith(typed):
            yield Completion(
                f"/{command.name}",
                -len(typed) - 1,
                display=command.usage,
                display_meta=command.summary,
            )
    if typed:
        yield from _starting([f"/{alias}" for alias in ALIASES], f"/{typed}")


def _starting(texts: Iterable[str], typed: str) -> Iterator[Completion]:
    for text in texts:
        if text.startswith(typed):
            yield Completion(text, -len(typed))


def _save_paths(typed: str) -> Iterator[Completion]:
    folder, slash, name = typed.rpartition("/")
    # The user's own folder only: looking up `~name` may ask a network.
    if typed.isprintable() and (not folder.startswith("~") or folder.split("/")[0] == "~"):
        yield from _entries(Path(folder + slash or ".").expanduser(), name)


def _entries(folder: Path, typed: str) -> Iterator[Completion]:
    """What is in `folder` and starts with `typed`; hidden names only when a dot asks for them."""
    found: list[tuple[str, bool]] = []
    try:
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count >= MOST_READ:
                    break
                hidden = entry.name.startswith(".") and not typed.startswith(".")
                # A name that is not printable could not be typed, and might command the terminal.
                if entry.name.startswith(typed) and not hidden and entry.name.isprintable():
                    found.append((entry.name, entry.is_dir()))
    except OSError:
        # Not there, or not ours to read: there is nothing to offer.
        return
    for name, is_folder in sorted(found)[:MOST_SHOWN]:
        full = f"{name}/" if is_folder else name
        yield Completion(full, -len(typed), display=full)
