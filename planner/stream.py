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
from treadle.planner.closing_bracket import ClosingBrackets
from treadle.planner.json_builder import JsonBuilder

MAX_PROSE = 256 * 1024
"""Characters of text in which a plan's object must begin."""

MAX_ATTEMPTS = 100
"""How many places that look like the beginning of a plan are tried."""

MAX_RETRIED = 1024 * 1024
"""Characters that are read again because what they began with only looked like a plan."""

FLUSH = 64 * 1024
"""Characters that may wait for a closing bracket before they are parsed."""

_BEGIN = re.compile(r'\{\s*(?:["}]|$)')
_PLAN = re.compile(r'\{\s*"(?:steps|answer)"\s*:')


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
        self._retried = 0
        self._candidate: list[str] = []
        self._builder: JsonBuilder | None = None
        self._brackets = ClosingBrackets()
        self._held: list[str] = []
        self._held_size = 0
        self._flush = FLUSH
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
        if self._builder is not None:
            parts = self._parse(text, final=False)
            return parts if self._builder is not None else parts + self._advance(final=False)
        self._waiting += text
        # An object is looked for only when something may have closed: this makes one-character
        # chunks as cheap as large ones and delays no step.
        if "}" not in text and "]" not in text and len(self._waiting) < FLUSH:
            return []
        return self._advance(final=False)

    def finish(self) -> list[PlanPart]:
        """The text has ended. Returns what was still waiting."""
        parts = [] if self._builder is None else self._parse("", final=True)
        if self._builder is None and not self.complete:
            parts += self._advance(final=True)
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
            if not self._seek():
                break
            text, self._waiting = self._waiting, ""
            parts += self._parse(text, final=final)
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
        self._brackets = ClosingBrackets()
        self._held.clear()
        self._held_size = 0
        self._flush = FLUSH
        return True

    def _parse(self, text: str, *, final: bool) -> list[PlanPart]:
        """Take `text` as a part of the object until that closes or proves to be none."""
        builder = self._builder
        assert builder is not None
        parts: list[PlanPart] = []
        position = 0
        # Piece by piece up to each bracket, so that what follows the object is never parsed.
        while piece := self._piece(text, position, final=final):
            position += len(piece) - self._held_size
            self._held.clear()
            self._held_size = 0
            try:
                parts += self._collect(builder, piece)
            except PlanError:
                if builder.committed:
                    raise
                self._retry("".join([*self._candidate, piece]), text[position:])
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

    def _piece(self, text: str, position: int, *, final: bool) -> str:
        """What is held and `text` from `position` on up to the next closing bracket.

        Empty where none follows: then all is held. But much text is not held for long: it is
        parsed for its errors, in growing pieces, as the parser reads an unfinished string anew
        with each.
        """
        end = self._brackets.next_in(text, position)
        if end < 0:
            end = len(text)
            size = self._held_size + end - position
            if not final and size < self._flush:
                if end > position:
                    self._held.append(text[position:])
                    self._held_size = size
                return ""
            self._flush = max(self._flush, size) * 2
        return "".join([*self._held, text[position:end]])

    def _retry(self, candidate: str, rest: str) -> None:
        """`candidate` only looked like a plan: go on behind its bracket."""
        self._builder = None
        self._prose += 1
        self._retried += len(candidate)
        if self._retried > MAX_RETRIED:
            raise PlanError("no_plan", "there is much text, but no plan in it")
        self._waiting = candidate[1:] + rest

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
