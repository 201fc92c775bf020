"""What a model's reply asks for: an action to look at the world, or code that is its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

ActionKind: TypeAlias = Literal["python", "bash", "sql"]

_FENCE = re.compile(r"^[ \t]*```[ \t]*([^\n`]*)\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_ACTIONS: dict[str, ActionKind] = {
    "run": "python",
    "run python": "python",
    "python run": "python",
    "bash": "bash",
    "sh": "bash",
    "sql": "sql",
}
_CODE = ("solution", "python", "py", "python3", "")
MOST_CODE = 200_000
"""Characters of one piece of code."""


@dataclass(frozen=True, slots=True)
class Action:
    """Code to run for what can be learned from it."""

    kind: ActionKind
    code: str


@dataclass(frozen=True, slots=True)
class Submission:
    """Code that is the answer to the task."""

    code: str


def read_reply(text: str) -> Action | Submission | None:
    """The first action in `text`, or else its last piece of code; None for neither.

    Fenced blocks: `run python`, `bash` and `sql` are actions, `python` is the answer. A reply that
    asks for an action and answers at the same time has not seen the outcome yet: the action counts.
    """
    found = [(tag.strip().lower(), code) for tag, code in _FENCE.findall(text)]
    for tag, code in found:
        if tag in _ACTIONS and code.strip():
            return Action(_ACTIONS[tag], code)
    answers = [code for tag, code in found if tag in _CODE and code.strip()]
    if not answers or len(answers[-1]) > MOST_CODE:
        return None
    return Submission(answers[-1])
