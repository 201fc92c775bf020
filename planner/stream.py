"""The streaming parser: steps out of a plan while it is still being written.

Text goes in in any chunks; each step comes out as soon as its JSON closes. The JSON itself is
parsed incrementally by ijson; what is ours is finding the object amid prose and code fences,
building values from ijson's events, and saying exactly what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from treadle.core.errors import PlanError
from treadle.core.json_value import JsonValue
from treadle.planner.json_builder import JsonBuilder

MAX_PROSE = 256 * 1024
"""Characters of text in which a plan's object must begin."""

MAX_ATTEMPTS = 100
"""How many places that look like the beginning of a plan are tried."""

FLUSH = 64 * 1024
"""Characters that may wait for a closing bracket before they are parsed."""

_BEGIN = re.compile(r'\{\s*(?:["}]|$)')
_PLAN = re.compile(r'\{\s*"(?:steps|answer)"\s*:')
_CLOSING = re.compile(r"[^}\]]*[}\]]")


@dataclass(frozen=True, slots=True)
class StepText:
    """A step whose JSON has closed; `document` is not checked yet. `position` counts from 0."""

    position: int
    document: JsonValue


@dataclass(frozen=True, slots=True)
class PlanField:
    """Another field of the plan: `answer` or `version`."""

    name: str
    value: JsonValue


PlanPart: TypeAlias = StepText | PlanField


class PlanStream:
    """Parses one plan from text that arrives in chunks; linear in the length of the text.

    `feed` returns what has become complete; `finish` says that the text has ended. Both raise
    PlanError for malformed text: `plan_syntax`, `plan_encoding`, `unknown_field`,
    `duplicate_key`, `bad_plan`, `too_deep`, `no_plan`, `plan_truncated`, `second_plan`. What
    was returned before stays valid.
    """

    def __init__(self) -> None:
        self._waiting = ""
        self._prose = 0
        self._attempts = 0
        self._candidate: list[str] = []
        self._builder: JsonBuilder | None = None
        self._tail = ""
        self.complete = False
        """Whether the plan's object has closed."""
        self.steps = 0
        """Steps that have closed so far."""

    def feed(self, text: str) -> list[PlanPart]:
        """Take the next characters; return the parts of the plan that they completed."""
        if self.complete:
            self._watch_tail(text)
            return []
        self._waiting += text
        # Text is parsed only when something may have closed: this makes one-character chunks as
        # cheap as large ones and delays no step.
        if "}" not in text and "]" not in text and len(self._waiting) < FLUSH:
            return []
        return self._advance(final=False)

    def finish(self) -> list[PlanPart]:
        """The text has ended. Returns what was still waiting."""
        parts = [] if self.complete else self._advance(final=True)
        if self.complete:
            return parts
        if self._builder is None or not self._builder.committed:
            raise PlanError("no_plan", "the text holds no JSON object with 'steps' or 'answer'")
        raise PlanError(
            "plan_truncated",
            f"the text ends in the middle of the plan, after {self.steps} complete steps",
        )

    def _advance(self, *, final: bool) -> list[PlanPart]:
        parts: list[PlanPart] = []
        while self._waiting and not self.complete:
            if self._builder is None and not self._seek():
                break
            parts += self._parse(final=final)
            if self._builder is not None:
                break  # in the middle of an object: the rest waits for more text
        return parts

    def _seek(self) -> bool:
        """Find where an object may begin; drop the prose before it."""
        found = _BEGIN.search(self._waiting)
        start = len(self._waiting) if found is None else found.start()
        self._prose += start
        if self._prose > MAX_PROSE or self._attempts >= MAX_ATTEMPTS:
            raise PlanError("no_plan", "there is much text, but no plan in it")
        self._waiting = self._waiting[start:]
        if found is None:
            return False
        if found[0][-1] not in '"}':
            # A bracket and white space that may go on for ever: it is not looked at again.
            self._prose += len(found[0]) - 1
            self._waiting = "{"
            return False
        self._attempts += 1
        self._candidate = []
        self._builder = JsonBuilder()
        return True

    def _parse(self, *, final: bool) -> list[PlanPart]:
        assert self._builder is not None
        builder = self._builder
        text, self._waiting = self._waiting, ""
        parts: list[PlanPart] = []
        position = 0
        while position < len(text):
            # Piece by piece up to each bracket, so that what follows the object is never parsed.
            closing = _CLOSING.match(text, position)
            if closing is None and not final and len(text) - position < FLUSH:
                self._waiting = text[position:]
                break
            piece = text[position:] if closing is None else closing[0]
            position += len(piece)
            try:
                parts += self._collect(builder, piece)
            except PlanError:
                tried = "".join(self._candidate) + piece
                if builder.committed or _PLAN.match(tried):
                    raise
                # It only looked like a plan: go on behind its bracket.
                self._builder = None
                self._waiting = tried[1:] + text[position:]
                self._prose += 1
                return parts
            if not builder.committed:
                self._candidate.append(piece)
            if builder.closed:
                self._builder = None
                if builder.committed:
                    self.complete = True
                    self._watch_tail(text[position:])
                else:
                    self._waiting = text[position:]
                return parts
        return parts

    def _collect(self, builder: JsonBuilder, piece: str) -> list[PlanPart]:
        parts: list[PlanPart] = []
        for name, value in builder.feed(piece):
            if name == "steps":
                parts.append(StepText(self.steps, value))
                self.steps += 1
            else:
                parts.append(PlanField(name, value))
        return parts

    def _watch_tail(self, text: str) -> None:
        self._tail = (self._tail + text)[-max(len(text), 64) - 64 :]
        if _PLAN.search(self._tail):
            raise PlanError("second_plan", "a second plan follows the first; write one object")
        self._tail = self._tail[-64:]


def read_document(text: str | bytes) -> dict[str, JsonValue]:
    """The wire form inside a complete text. Raises what `PlanStream` raises."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PlanError(
                "plan_encoding", f"not UTF-8: a bad byte at position {error.start}"
            ) from None
    stream = PlanStream()
    document: dict[str, JsonValue] = {}
    steps: list[JsonValue] = []
    for part in [*stream.feed(text), *stream.finish()]:
        if isinstance(part, StepText):
            steps.append(part.document)
        else:
            document[part.name] = part.value
    document["steps"] = steps
    return document
