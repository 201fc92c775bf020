"""A step of a plan: one call, where its arguments come from, and what may go wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from treadle.core.errors import PlanError
from treadle.core.ids import STEP_ID
from treadle.core.json_value import JsonValue, canonical_json
from treadle.planner.condition import Condition, parse_condition
from treadle.planner.reference import (
    MAX_NAME,
    ListOf,
    ObjectOf,
    Parsed,
    Reference,
    parse_value,
    references,
    to_wire,
)
from treadle.tools.retry import ONCE, Retry

__all__ = ["ITEM_NAMES", "MAX_TEXT", "OnFailure", "Retry", "Step"]

ITEM_NAMES = frozenset({"item", "index"})
"""What `${item}` and `${index}` stand for inside a fan-out; no step may have these ids."""

MAX_TEXT = 512 * 1024
"""Characters that one text inside a step's literal arguments may have."""

_FIELDS = (
    "id", "tool", "args", "after", "when", "for_each", "note", "timeout", "retry", "on_failure",
)  # fmt: skip


class OnFailure(StrEnum):
    """What the failure of a step means for the run.

    fail: the run ends failed, after unrelated branches have finished.
    cancel: everything stops at once.
    skip: dependents are skipped; the run can still succeed.
    value: the error becomes the step's output and the run goes on.
    replan: the planner is shown the error and may patch the plan.
    """

    FAIL = "fail"
    CANCEL = "cancel"
    SKIP = "skip"
    VALUE = "value"
    REPLAN = "replan"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One node of the DAG; immutable. Build it with `Step.from_wire` or `make_step`.

    id: unique in its plan; letters, digits, `_` and `-`.
    tool: the name of a tool or an agent.
    arguments: the parsed arguments; `args` gives their wire form.
    after: steps that must end first without handing over data.
    when: runs only if this holds.
    for_each: a list, or a reference to one: the step runs once per item, its output is the list
        of the outputs in the items' order.
    timeout: seconds for each attempt, None for the tool's own.
    """

    id: str
    tool: str
    arguments: ObjectOf = field(default_factory=lambda: ObjectOf(()))
    after: tuple[str, ...] = ()
    when: Condition | None = None
    for_each: Parsed | None = None
    note: str | None = None
    timeout: float | None = None
    retry: Retry = ONCE
    on_failure: OnFailure = OnFailure.FAIL
    needs: tuple[str, ...] = field(init=False)
    """The steps whose end this one waits for, in order of mention."""
    _recorded: dict[str, JsonValue] | None = field(
        init=False, repr=False, compare=False, default=None
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", tuple(dict.fromkeys(self._mentions())))

    @property
    def args(self) -> dict[str, JsonValue]:
        """The arguments in their wire form, references as text."""
        wire = to_wire(self.arguments)
        assert isinstance(wire, dict)
        return wire

    @property
    def reads(self) -> str | None:
        """The step whose items this one could take one by one: it needs nothing else of it."""
        source = self.for_each
        if not isinstance(source, Reference) or source.path or source.step in self.after:
            return None
        others = [] if self.when is None else list(self.when.references)
        others += references(self.arguments)
        return None if any(each.step == source.step for each in others) else source.step

    @property
    def recorded(self) -> dict[str, JsonValue]:
        """The wire form as events carry it: one object for all, which nobody changes."""
        if self._recorded is None:
            object.__setattr__(self, "_recorded", self.wire())
        assert self._recorded is not None
        return self._recorded

    def wire(self) -> dict[str, JsonValue]:
        """The wire form: only what differs from the defaults."""
        document: dict[str, JsonValue] = {"id": self.id, "tool": self.tool, "args": self.args}
        if self.after:
            document["after"] = list(self.after)
        if self.when is not None:
            document["when"] = self.when.text
        if self.for_each is not None:
            document["for_each"] = to_wire(self.for_each)
        if self.note is not None:
            document["note"] = self.note
        if self.timeout is not None:
            document["timeout"] = self.timeout
        if self.retry != ONCE:
            document["retry"] = {
                "attempts": self.retry.attempts,
                "delay": self.retry.delay,
                "max_delay": self.retry.max_delay,
            }
        if self.on_failure is not OnFailure.FAIL:
            document["on_failure"] = self.on_failure.value
        return document

    @classmethod
    def from_wire(cls, document: JsonValue) -> Step:
        """Read one step of the wire form.

        Raises PlanError: `bad_step`, `bad_step_id`, `unknown_field`, `bad_reference`,
        `bad_condition`, `argument_too_large`, `too_deep`, `not_json`.
        """
        if not isinstance(document, dict):
            raise PlanError("bad_step", f"a step is an object, not {_kind(document)}")
        step_id = document.get("id")
        if (
            not isinstance(step_id, str)
            or not STEP_ID.fullmatch(step_id)
            or len(step_id) > MAX_NAME
        ):
            shown = repr(step_id)[:60]
            raise PlanError(
                "bad_step_id",
                f"{shown} is no id for a step; use up to {MAX_NAME} letters, digits, "
                f"'_' and '-', no dots",
            )
        try:
            return _read(step_id, document)
        except PlanError as error:
            if error.step_id is not None:
                raise
            raise PlanError(error.code, error.message, step_id=step_id) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and canonical_json(self.wire()) == canonical_json(
            other.wire()
        )

    def __hash__(self) -> int:
        return hash(canonical_json(self.wire()))

    def _mentions(self) -> Iterator[str]:
        mine = ITEM_NAMES if self.for_each is not None else frozenset[str]()
        if self.for_each is not None:
            yield from (each.step for each in references(self.for_each))
        if self.when is not None:
            yield from (each.step for each in self.when.references)
        yield from (each.step for each in references(self.arguments) if each.step not in mine)
        yield from self.after


def _read(step_id: str, document: Mapping[str, Any]) -> Step:
    if step_id in ITEM_NAMES:
        raise PlanError("bad_step_id", f"'{step_id}' stands for the item of a fan-out; rename it")
    unknown = [key for key in document if key not in _FIELDS]
    if unknown:
        raise PlanError(
            "unknown_field",
            f"'{str(unknown[0])[:60]}' is no field of a step; there are {', '.join(_FIELDS)}",
        )
    tool = document.get("tool")
    if not isinstance(tool, str) or not tool:
        raise PlanError("bad_step", f"'tool' must name a tool, not be {_kind(tool)}")
    arguments = document.get("args", {})
    if not isinstance(arguments, dict):
        raise PlanError("bad_step", f"'args' must be an object, not {_kind(arguments)}")
    parsed = parse_value(arguments)
    assert isinstance(parsed, ObjectOf)
    when = _optional(document, "when", str, "a text")
    note = _optional(document, "note", str, "a text")
    for_each = document.get("for_each")
    _refuse_large([arguments, for_each])
    return Step(
        id=step_id,
        tool=tool,
        arguments=parsed,
        after=_read_after(document.get("after")),
        when=None if when is None else parse_condition(when),
        for_each=None if for_each is None else _read_for_each(for_each),
        note=note,
        timeout=_read_timeout(document.get("timeout")),
        retry=_read_retry(document.get("retry")),
        on_failure=_read_on_failure(document.get("on_failure")),
    )


def _read_after(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PlanError("bad_step", "'after' must be a list of step ids")
    if any(len(each) > MAX_NAME for each in value):
        raise PlanError("bad_step", f"'after' holds an id of more than {MAX_NAME} characters")
    return tuple(dict.fromkeys(value))


def _read_for_each(value: JsonValue) -> Parsed:
    parsed = parse_value(value)
    if isinstance(parsed, Reference | ListOf):
        return parsed
    raise PlanError("bad_step", "'for_each' must be a list or one reference to a list")


def _read_timeout(value: Any) -> float | None:
    return None if value is None else _positive("timeout", value)


def _read_retry(value: Any) -> Retry:
    if value is None:
        return ONCE
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"attempts": value}
    if not isinstance(value, dict) or value.keys() - {"attempts", "delay", "max_delay"}:
        raise PlanError("bad_step", "'retry' must be {attempts, delay?, max_delay?}")
    attempts = value.get("attempts", 1)
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= 100:
        raise PlanError("bad_step", "'retry.attempts' must be a whole number from 1 to 100")
    standard = ONCE
    return Retry(
        attempts,
        _positive("retry.delay", value.get("delay", standard.delay)),
        _positive("retry.max_delay", value.get("max_delay", standard.max_delay)),
    )


def _read_on_failure(value: Any) -> OnFailure:
    if value is None:
        return OnFailure.FAIL
    try:
        return OnFailure(value)
    except ValueError:
        raise PlanError("bad_step", f"'on_failure' must be one of {', '.join(OnFailure)}") from None


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlanError("bad_step", f"'{name}' must be a number of seconds")
    if not 0 < value <= 7 * 86_400 or not math.isfinite(value):
        raise PlanError("bad_step", f"'{name}' must be over 0 and at most a week, in seconds")
    return float(value)


def _optional(document: Mapping[str, Any], name: str, kind: type, described: str) -> Any:
    value = document.get(name)
    if value is not None and not isinstance(value, kind):
        raise PlanError("bad_step", f"'{name}' must be {described}, not {_kind(value)}")
    return value


def _refuse_large(value: JsonValue) -> None:
    pending: list[JsonValue] = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str) and len(each) > MAX_TEXT:
            raise PlanError(
                "argument_too_large",
                f"a text of {len(each):,} characters; at most {MAX_TEXT:,} fit into a plan: "
                f"put it into a file and let a step read it",
            )
        if isinstance(each, dict):
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")
