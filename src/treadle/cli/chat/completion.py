"""Completion: commands, tool names and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

MOST = 100


class ChatCompleter(Completer):
    """Completes the word before the cursor.

    commands: the slash commands.
    tools: gives the names of the tools, for /tools.
    workspace: where files are completed.
    """

    def __init__(
        self, commands: Iterable[str], tools: Callable[[], Iterable[str]], workspace: Path
    ) -> None:
        self._commands = sorted(commands)
        self._tools = tools
        self._workspace = workspace

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """What may follow."""
        text = document.text_before_cursor
        word = text.rsplit(None, 1)[-1] if text and not text[-1].isspace() else ""
        if text.startswith("/") and " " not in text:
            choices: Iterable[str] = self._commands
        elif text.startswith("/tools "):
            choices = self._tools()
        elif word:
            choices = self._files(word)
        else:
            return
        for choice in choices:
            if choice.startswith(word):
                yield Completion(choice, start_position=-len(word))

    def _files(self, word: str) -> list[str]:
        folder, _, start = word.rpartition("/")
        place = (self._workspace / folder).resolve()
        if place != self._workspace and self._workspace not in place.parents:
            return []
        try:
            found = sorted(place.iterdir())
        except OSError:
            return []  # not a folder: nothing to offer
        prefix = f"{folder}/" if folder else ""
        return [
            f"{prefix}{path.name}{'/' if path.is_dir() else ''}"
            for path in found
            if path.name.startswith(start) and (start or not path.name.startswith("."))
        ][:MOST]
