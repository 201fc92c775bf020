"""Steps that an intent proposes, before they have their final ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from treadle.core.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class DraftStep:
    """One call; `id` is unique within its draft, `for_each` refers to a list."""

    id: str
    tool: str
    args: Mapping[str, JsonValue]
    for_each: str | None = None


@dataclass(slots=True)
class Draft:
    """What one part of a task becomes: steps, and a line or paragraph of the answer.

    preparatory: the answer is of no use if a later part goes on with the same targets
    ("read a.txt and summarise it").
    """

    steps: list[DraftStep] = field(default_factory=list)
    answer: str = ""
    preparatory: bool = False

    def step(
        self, name: str, tool: str, args: Mapping[str, JsonValue], *, for_each: str | None = None
    ) -> str:
        """Add a step (or find the same one) and return its id within this draft."""
        for known in self.steps:
            if (known.tool, known.args, known.for_each) == (tool, args, for_each):
                return known.id
        taken = {known.id for known in self.steps}
        id_, number = name, 2
        while id_ in taken:
            id_, number = f"{name}_{number}", number + 1
        self.steps.append(DraftStep(id_, tool, args, for_each))
        return id_

    def say(self, text: str) -> None:
        """Add a line to the answer."""
        self.answer = f"{self.answer}\n{text}" if self.answer else text

    def join(self, other: Draft) -> None:
        """Take over the steps and the answer of `other`, whose ids must differ."""
        self.steps.extend(other.steps)
        self.say(other.answer)


def reference(step: str, path: str = "") -> str:
    """`${step.path}`."""
    return f"${{{step}{path}}}"


def escaped(text: str) -> str:
    """`text` so that it stands for itself inside arguments and answers."""
    return re.sub(r"\$+(?=\{)", lambda dollars: dollars[0] * 2, text)


def unescaped(text: str) -> str:
    """What `escaped` was given; only for text without references."""
    return re.sub(r"\$+(?=\{)", lambda dollars: dollars[0][: len(dollars[0]) // 2], text)


def refers(text: str) -> bool:
    """Whether `text` holds a reference: an odd number of `$` before a brace."""
    return any(len(dollars[0]) % 2 for dollars in re.finditer(r"\$+(?=\{)", text))


def shown(text: str, limit: int = 80) -> str:
    """`text`, escaped, on one line and short enough for an answer, never ending in `$`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = line if len(line) <= limit else line[: limit - 1] + "…"
    return escaped(short.rstrip("$") if short.endswith("$") else short)


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
