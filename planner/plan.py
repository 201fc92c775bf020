"""The Plan: a typed DAG of steps, and a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from treadle.core.errors import PlanError
from treadle.core.json_value import JsonValue, canonical_json
from treadle.planner.order import check_order
from treadle.planner.reference import Parsed, parse_value, references, to_wire
from treadle.planner.step import Step


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A checked DAG of steps in an order in which they could run; immutable and hashable.

    answer: a template over the steps' outputs (any JSON value with references), or None.
    version: 1 for a fresh plan; each patch adds 1.
    hash: identity of the content (steps and answer, whatever the order of the steps and the keys;
        notes and version do not count), 64 hexadecimal digits.

    Raises PlanError: `empty_plan` (no steps and no answer), `duplicate_id`, `dangling_reference`,
    `forward_reference`, `cycle`.
    """

    steps: tuple[Step, ...]
    answer: Parsed | None = None
    version: int = 1
    hash: str = field(init=False)
    _by_id: Mapping[str, Step] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.steps and self.answer is None:
            raise PlanError("empty_plan", "a plan needs at least one step, or an answer")
        by_id: dict[str, Step] = {}
        for step in self.steps:
            if step.id in by_id:
                raise PlanError("duplicate_id", "another step has this id already", step_id=step.id)
            by_id[step.id] = step
        check_order(self.steps)
        check_answer(self.answer, by_id)
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "hash", _content_hash(self.steps, self.answer))

    def __getitem__(self, step_id: str) -> Step:
        return self._by_id[step_id]

    def __contains__(self, step_id: object) -> bool:
        return step_id in self._by_id

    def __len__(self) -> int:
        return len(self.steps)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.hash == other.hash

    def __hash__(self) -> int:
        return int(self.hash[:15], 16)

    def wire(self) -> dict[str, JsonValue]:
        """The wire form: `{"steps": [...], "answer"?, "version"?}`."""
        return self._document([step.wire() for step in self.steps])

    @property
    def recorded(self) -> dict[str, JsonValue]:
        """The wire form as events carry it: its steps are shared, so nobody changes it."""
        return self._document([step.recorded for step in self.steps])

    def _document(self, steps: list[JsonValue]) -> dict[str, JsonValue]:
        document: dict[str, JsonValue] = {"steps": steps}
        if self.answer is not None:
            document["answer"] = to_wire(self.answer)
        if self.version != 1:
            document["version"] = self.version
        return document

    def to_json(self, indent: int | None = 2) -> str:
        """The wire form as JSON text; `Plan.from_json` reads it back."""
        return json.dumps(self.wire(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_wire(cls, document: object) -> Plan:
        """Read the wire form. Raises PlanError for everything malformed."""
        if not isinstance(document, dict):
            raise PlanError("no_plan", "a plan is one JSON object with 'steps' and 'answer'")
        unknown = document.keys() - {"steps", "answer", "version"}
        if unknown:
            raise PlanError(
                "unknown_field", f"'{str(next(iter(unknown)))[:60]}' is no field of a plan"
            )
        steps = document.get("steps", [])
        if not isinstance(steps, list):
            raise PlanError("bad_plan", "'steps' must be a list")
        return cls(
            tuple(Step.from_wire(each) for each in steps),
            read_answer(document.get("answer")),
            read_version(document.get("version")),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read a plan from JSON text; prose and code fences around the object are let pass.

        Raises PlanError for everything malformed: `plan_encoding` (not UTF-8), `no_plan`,
        `plan_syntax`, `plan_truncated`, `duplicate_key`, `too_deep`, and what the steps raise.
        """
        from treadle.planner.stream import read_document

        return cls.from_wire(read_document(text))


def read_answer(value: JsonValue) -> Parsed | None:
    """Parse the `answer` of the wire form. Raises PlanError (`bad_reference`, ...)."""
    return None if value is None else parse_value(value)


def read_version(value: JsonValue) -> int:
    """Check the `version` of the wire form. Raises PlanError (`bad_plan`)."""
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PlanError("bad_plan", "'version' must be a whole number from 1 on")
    return value


def check_answer(answer: Parsed | None, known: Iterable[str]) -> None:
    """Raises PlanError (`dangling_reference`) where `answer` refers to a step not in `known`."""
    if answer is None:
        return
    known = known if isinstance(known, Mapping | set | frozenset) else frozenset(known)
    for reference in references(answer):
        if reference.step not in known:
            raise PlanError(
                "dangling_reference",
                f"the answer refers to {str(reference)[:200]}, "
                f"but there is no step '{reference.step}'",
            )


def _content_hash(steps: Iterable[Step], answer: Parsed | None) -> str:
    digest = hashlib.sha256()
    for document in sorted(_identity(step) for step in steps):
        digest.update(document + b"\n")
    digest.update(b"answer" + canonical_json(None if answer is None else [to_wire(answer)]))
    return digest.hexdigest()


def _identity(step: Step) -> bytes:
    document = step.wire()
    document.pop("note", None)
    document["after"] = [*sorted(step.after)]  # a set by meaning
    return canonical_json(document)
