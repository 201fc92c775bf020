"""From the drafts of a task's parts to one plan: unique ids, equal calls made once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from treadle.core.json_value import JsonValue, compact_json
from treadle.serving.offline.draft import Draft, DraftStep

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_-]*)")
_ITEM_NAMES = frozenset({"item", "index"})


class PlanWriter:
    """Collects drafts; `steps` and `answers` are what the plan will say."""

    def __init__(self) -> None:
        self.steps: list[DraftStep] = []
        self.answers: list[str] = []
        self._ids: set[str] = set(_ITEM_NAMES)
        self._known: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def add(self, draft: Draft, *, answered: bool = True) -> None:
        """Take over the steps of `draft`, and its answer unless a later part supersedes it."""
        renamed: dict[str, str] = {}
        for step in draft.steps:
            args = {key: _rename(value, renamed) for key, value in step.args.items()}
            for_each = _rename_text(step.for_each, renamed) if step.for_each else None
            key = compact_json([step.tool, args, for_each])
            if key not in self._known:
                self._known[key] = self._unique(step.id)
                self.steps.append(DraftStep(self._known[key], step.tool, args, for_each))
            renamed[step.id] = self._known[key]
        if answered and draft.answer:
            answer = _rename_text(draft.answer, renamed)
            if not any(answer in said for said in self.answers[-20:]):
                self.answers.append(answer)

    def wire(self, unread: str = "") -> dict[str, JsonValue]:
        """The plan; `unread` is the paragraph about what was not understood."""
        paragraphs = [*self.answers, *([unread] if unread else [])]
        spaced = any("\n" in paragraph for paragraph in paragraphs) or bool(unread)
        answer = ("\n\n" if spaced else "\n").join(paragraphs)
        return {"steps": [_wire_step(step) for step in self.steps], "answer": answer}

    def _unique(self, name: str) -> str:
        if name not in self._ids:
            self._ids.add(name)
            return name
        number = self._numbers.get(name, 1)
        candidate = name
        while candidate in self._ids:
            number += 1
            candidate = f"{name}_{number}"
        self._numbers[name] = number
        self._ids.add(candidate)
        return candidate


def _wire_step(step: DraftStep) -> JsonValue:
    record: dict[str, JsonValue] = {"id": step.id, "tool": step.tool, "args": dict(step.args)}
    if step.for_each is not None:
        record["for_each"] = step.for_each
    return record


def _rename(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if isinstance(value, str):
        return _rename_text(value, names)
    if isinstance(value, list):
        return [_rename(each, names) for each in value]
    if isinstance(value, dict):
        return {key: _rename(each, names) for key, each in value.items()}
    return value


def _rename_text(text: str, names: Mapping[str, str]) -> str:
    def renamed(found: re.Match[str]) -> str:
        name = found[1]
        return found[0] if name is None or name in _ITEM_NAMES else "${" + names.get(name, name)

    return _REFERENCE.sub(renamed, text)
