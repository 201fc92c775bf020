"""Saving a conversation to a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from treadle.core.chat import Message
from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue
from treadle.planner import Plan, to_tree

NAMES = {"user": "You", "assistant": "Treadle"}


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is saved: the conversation, its last plan, the model of the moment."""

    messages: Sequence[Message]
    plan: Plan | None
    model: str

    def as_json(self) -> dict[str, JsonValue]:
        """`{"model", "messages": [{"role", "content"}], "plan"}`."""
        return {
            "model": self.model,
            "messages": [
                {"role": message.role, "content": message.content} for message in self.messages
            ],
            "plan": None if self.plan is None else self.plan.wire(),
        }

    def as_markdown(self) -> str:
        """A section per message, and one for the plan."""
        parts = ["# A conversation with Treadle", f"Model: {self.model}"]
        for message in self.messages:
            parts += [f"## {NAMES.get(message.role, message.role)}", message.content.strip("\n")]
        if self.plan is not None:
            tree = to_tree(self.plan).rstrip("\n")
            fence = "```"
            while fence in tree:
                fence += "`"
            parts += ["## The last plan", f"{fence}text\n{tree}\n{fence}"]
        return "\n\n".join(parts) + "\n"


def save(transcript: Transcript, name: str) -> Path:
    """Write `transcript` to the file `name`, as its ending says; never over another file.

    Raises InputError: `nothing_to_save`, `bad_command`, `file_exists`, `file_unwritable`.
    """
    if not transcript.messages and transcript.plan is None:
        raise InputError("nothing_to_save", "nothing was said yet")
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:
        raise InputError("file_unwritable", f"{name}: {error}") from None
    match path.suffix.lower():
        case ".json":
            text = json.dumps(transcript.as_json(), ensure_ascii=False, indent=2) + "\n"
        case ".md":
            text = transcript.as_markdown()
        case _:
            raise InputError("bad_command", f"{name}: the name must end in .md or .json")
    _write(path, text)
    return path


def _write(path: Path, text: str) -> None:
    try:
        # "x": a file that appears in this very moment is not overwritten either.
        with path.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise InputError("file_exists", f"{path} is there already; choose another name") from None
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("file_unwritable", f"there is no folder {path.parent}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("file_unwritable", f"{path}: {reason}") from None
