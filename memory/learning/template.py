"""A plan as a template: what of it stands for a literal of its task, and the plan for others.

Plans are data here, in their wire form. Values are put in only where nothing can be made of them
but a value: a reference or a condition cannot be smuggled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from treadle.core.json_value import JsonValue, canonical_json
from treadle.memory.learning.literals import Slot
from treadle.memory.learning.words import words_of

Wire = dict[str, JsonValue]
"""A plan in its wire form."""

_REFERENCE = re.compile(r"(\$+\{(?:[^{}'\"]|'[^']*'|\"[^\"]*\")*\})")
_NOT_WORD = re.compile(r"\W+")
_LEAST_FORM = 3  # characters of a form: shorter ones are met by chance
_PLAIN = re.compile(r"[\w .,:/@+%#=&?-]*")
_STEP_REFERENCE = re.compile(r"(?<!\$)((?:\$\$)*\$\{)([A-Za-z_][A-Za-z0-9_-]*)")
_DATE_LIKE = re.compile(r"(?<!\d)(?:(?:19|20)\d{2}(?:-\d{2}){0,2}|\d{10})(?!\d)")


class Unbindable(Exception):
    """The template cannot take these values; there is no plan for them."""


class Values:
    """What the values of one task become for another one.

    pairs: each literal of the first, and the value that it has in the second.

    Raises Unbindable where one value would have to become two.
    """

    def __init__(self, pairs: Iterable[tuple[Slot, str]]) -> None:
        self.new: dict[str, tuple[Slot, str | None]] = {}
        """By the old value, in each of its forms, the new one; None where it could be two."""
        self._changed: dict[str, set[str]] = {}
        whole: dict[str, str] = {}
        for slot, value in pairs:
            if whole.setdefault(slot.value, value) != value:
                raise Unbindable
            for old, new in zip(forms(slot, slot.value), forms(slot, value), strict=True):
                if old != slot.value and len(old) < _LEAST_FORM:
                    continue
                known = self.new.get(old, (slot, new))
                self.new[old] = slot, new if known[1] == new else None
                if slot.value != value:
                    self._changed.setdefault(slot.value, set()).add(old)

    def explained(self, used: frozenset[str]) -> bool:
        """Whether each value that differs stands in the plan, in some form."""
        return all(not used.isdisjoint(each) for each in self._changed.values())


@dataclass
class _Binding:
    """Puts new values in the place of old ones, all at once: values may change places.

    used: the old values that were met.
    """

    values: Mapping[str, tuple[Slot, str | None]]
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        ordered = sorted(self.values, key=len, reverse=True)
        either = "|".join(re.escape(each) for each in ordered)
        self._wanted = re.compile(rf"(?<![\w])(?<!\d\.)(?:{either})(?!\w)(?!\.\d)")

    def value(self, value: JsonValue, *, condition: bool = False) -> JsonValue:
        if not self.values:
            return value
        if isinstance(value, str):
            return self._text(value, condition=condition)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {key: self.value(each) for key, each in value.items()}
        if isinstance(value, bool) or value is None:
            return value
        return self._number(value)

    def _number(self, value: int | float) -> int | float:
        written = repr(value)
        slot, _ = self.values.get(written, (None, None))
        if slot is None or not slot.is_number:
            return value
        new = self._new(written)
        try:
            made = int(new) if isinstance(value, int) else float(new)
        except ValueError:
            raise Unbindable from None
        if repr(made) != new:
            raise Unbindable  # 007 is no number that could be written so
        return made

    def _text(self, text: str, *, condition: bool) -> str:
        if not condition and text in self.values:
            return _harmless(self._new(text))
        parts = _REFERENCE.split(text)
        return "".join(
            part if number % 2 else self._wanted.sub(lambda met: self._put(met[0], condition), part)
            for number, part in enumerate(parts)
        )

    def _put(self, old: str, condition: bool) -> str:
        slot, new = self.values[old][0], self._new(old)
        if new == old:
            return new
        # Within a longer text (code, a query, a condition) quotes and brackets have a meaning.
        if (condition and not slot.is_number) or not _PLAIN.fullmatch(new) or "--" in new:
            raise Unbindable
        return new

    def _new(self, old: str) -> str:
        new = self.values[old][1]
        if new is None:
            raise Unbindable
        self.used.add(old)
        return new


def forms(slot: Slot, value: str) -> tuple[str, ...]:
    """How `value`, of the kind of `slot`, may stand in a plan: as it is, and of a path also without
    its extension, without its folders, without both, and as a name of a table or a variable.
    """
    if not slot.kind.startswith("path:"):
        return (value,)
    folders, slash, name = value.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return value, f"{folders}{slash}{stem}", name, stem, _NOT_WORD.sub("_", stem)


def bound(template: Wire, values: Values) -> tuple[Wire, frozenset[str]]:
    """The plan for other values, and which of the old ones stand in the template.

    Raises Unbindable.
    """
    binding = _Binding(values.new)
    plan: Wire = dict(template)
    steps = cast("Sequence[Wire]", template.get("steps", []))
    plan["steps"] = [_step(step, binding) for step in steps]
    if "answer" in template:
        plan["answer"] = binding.value(template["answer"])
    return plan, frozenset(binding.used)


def tools_of(plan: Wire) -> tuple[str, ...]:
    """The tools that a plan calls, each once, in order."""
    steps = cast("Sequence[Wire]", plan.get("steps", []))
    return tuple(dict.fromkeys(str(step.get("tool")) for step in steps))


def identity(plan: Wire) -> bytes:
    """What is equal for plans that do the same in the same order, however they call their steps."""
    steps = cast("Sequence[Wire]", plan.get("steps", []))
    names = {str(step.get("id")): f"step{number}" for number, step in enumerate(steps)}
    renamed = [_renamed({**step, "note": None}, names) for step in steps]
    for step in renamed:
        assert isinstance(step, dict)
        step["id"] = names.get(str(step["id"]), "")
        after = step.get("after")
        step["after"] = [names.get(str(each), "") for each in after] if after else []  # type: ignore[union-attr]
    return canonical_json([renamed, _renamed(plan.get("answer"), names)])


def dates_beside(plan: Wire, task: str) -> bool:
    """Whether a plan holds dates that its task does not name: it is about the day it was made."""
    return any(date not in task for leaf in leaves(plan) for date in _DATE_LIKE.findall(str(leaf)))


def explained_by(plan: Wire, task: str) -> bool:
    """Whether all words in the arguments of a plan are words of its task: the planner has added
    none of its own, such as the name of the column that a value belongs to.
    """
    said = set(words_of(task))
    own = (word for leaf in leaves({**plan, "answer": None}) for word in words_of(str(leaf)))
    return all(word in said for word in own if word.isalpha() and len(word) > 1)


def leaves(plan: Wire) -> Iterable[str | int | float]:
    """The literal values in a plan: texts and numbers of arguments, conditions and the answer."""
    steps = cast("Sequence[Wire]", plan.get("steps", []))
    pending: list[JsonValue] = [plan.get("answer")]
    for step in steps:
        pending += [step.get("args"), step.get("for_each"), step.get("when")]
    while pending:
        each = pending.pop()
        if isinstance(each, list):
            pending += each
        elif isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, str):
            yield _REFERENCE.sub(" ", each)
        elif each is not None and not isinstance(each, bool):
            yield each


def _step(step: Wire, binding: _Binding) -> Wire:
    changed: Wire = dict(step)
    for name in ("args", "for_each"):
        if name in step:
            changed[name] = binding.value(step[name])
    if "when" in step:
        changed["when"] = binding.value(step["when"], condition=True)
    changed.pop("note", None)  # written about other values
    return changed


def _renamed(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if isinstance(value, str):
        return _STEP_REFERENCE.sub(lambda met: met[1] + names.get(met[2], met[2]), value)
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    return value


def _harmless(value: str) -> str:
    if "${" in value:
        raise Unbindable
    return value
