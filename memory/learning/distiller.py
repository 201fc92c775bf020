"""Distillation: what a run has taught, off its path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from treadle.core.chat import ChatModel
from treadle.core.json_value import compact_json
from treadle.core.taint import Labels
from treadle.memory.learning.concept import Concept
from treadle.memory.learning.concepts import MOST_BODY, MOST_NAME, Concepts
from treadle.memory.learning.literals import Wording, wording
from treadle.memory.learning.procedure import Procedure
from treadle.memory.learning.procedures import MOST_TASK, Procedures
from treadle.memory.learning.proposal import Lesson, proposed_lesson
from treadle.memory.learning.run_record import RunRecord, StepRecord
from treadle.memory.learning.template import Wire, leaves, tools_of
from treadle.memory.learning.words import plain, shortened, words_of
from treadle.memory.namespace import Where

MOST_WARNINGS = 5
"""Warnings that one run gives."""

_SHOWN_STEPS = 20
_TRANSIENT = frozenset({"cancelled", "budget_exceeded", "approval_required", "refused"})
"""Error codes that say nothing of what was tried."""


_FEWEST_STEPS = 2
"""Of a plan that teaches something."""


@dataclass(frozen=True, slots=True)
class Distilled:
    """What was kept of a run."""

    concepts: tuple[Concept, ...] = ()
    procedure: Procedure | None = None


class Distiller:
    """Makes concepts, warnings and procedures of runs, and records how those did that were used.

    model: words the lesson in general terms; without one, or where it writes nothing usable, code
        does, in the words of the task.
    """

    def __init__(
        self, concepts: Concepts, procedures: Procedures, model: ChatModel | None = None
    ) -> None:
        self._concepts = concepts
        self._procedures = procedures
        self._model = model

    async def distil(self, record: RunRecord, *, namespace: Where = None) -> Distilled:
        """Learn from a run that has ended."""
        await self._outcomes(namespace, record)
        if record.outcome == "other" or len(record.task) > MOST_TASK:
            return Distilled()
        learned = [
            await self._learn(namespace, record, each, step.taint)
            for step, each in _warnings(record)
        ]
        procedure = await self._procedure(namespace, record)
        if record.flawless and record.reused is None and record.plan is not None:
            lesson = _lesson(record.task, record.plan)
            if lesson is not None and self._model is not None:
                lesson = await proposed_lesson(self._model, _told(record), MOST_BODY) or lesson
            if lesson is not None:
                learned.append(await self._learn(namespace, record, lesson, frozenset()))
        return Distilled(tuple(learned), procedure)

    async def _outcomes(self, namespace: Where, record: RunRecord) -> None:
        if record.outcome == "other":
            return
        worked = record.outcome == "succeeded"
        if record.reused is not None:
            # A plan that had to be patched did not work, though the run did.
            await self._procedures.record(
                record.reused, worked and not record.replans, namespace=namespace
            )
        for concept_id in record.concepts:
            await self._concepts.record(concept_id, worked, namespace=namespace)

    async def _procedure(self, namespace: Where, record: RunRecord) -> Procedure | None:
        if not record.flawless or not record.alone or record.reused is not None:
            return None
        if record.plan is None or _quotes(record.plan, record.task, record.shown):
            return None
        return await self._procedures.learn(
            record.task,
            record.plan,
            record.fingerprints.get,
            namespace=namespace,
            source=record.run_id,
            taint=record.author,
        )

    async def _learn(
        self, namespace: Where, record: RunRecord, lesson: _Said, taint: Labels
    ) -> Concept:
        return await self._concepts.learn(
            shortened(lesson.name, MOST_NAME),
            shortened(lesson.body, MOST_BODY),
            namespace=namespace,
            cues=[shortened(cue, 200) for cue in lesson.cues],
            kind="warning" if isinstance(lesson, Warned) else "concept",
            source=record.run_id,
            taint=record.author | taint,
        )


@dataclass(frozen=True, slots=True)
class Warned:
    """What to beware of, in the words of code."""

    name: str
    cues: tuple[str, ...]
    body: str


_Said = Lesson | Warned


def _lesson(task: str, plan: Wire) -> Lesson | None:
    """What worked, in the words of code; None where there is nothing to learn from it.

    A single step is no way of doing things: the plan itself is kept, and says all there is.
    """
    steps = plan.get("steps")
    count = len(steps) if isinstance(steps, list) else 0
    words = wording(task)
    cues = _cues(words)
    if count < _FEWEST_STEPS or not cues:
        return None
    shape = plain(words.shown())
    body = f"For tasks like: {shape}\nWhat worked: {count} steps with {', '.join(tools_of(plan))}."
    return Lesson(shape, cues, body)


def _cues(words: Wording) -> tuple[str, ...]:
    """What a similar task would say, too: what stands between the literals."""
    said = [plain(segment) for segment in words.segments]
    return tuple(each for each in said if len(words_of(each)) > 1)


def _warnings(record: RunRecord) -> list[tuple[StepRecord, Warned]]:
    found: dict[str, tuple[StepRecord, Warned]] = {}
    words = wording(record.task)
    for step in record.steps:
        if not step.code or step.status not in ("failed", "succeeded") or step.code in _TRANSIENT:
            continue
        name = f"{step.tool} failed: {step.code}"
        after = "; the plan was patched, and the run succeeded" if _mended(record) else ""
        said = plain(step.message)[:300]
        body = f"{step.tool} gave the error {step.code} ({said}){after}."
        cues = (step.tool, *(_cues(words) or (plain(words.shown()),)))
        found.setdefault(name, (step, Warned(name, cues, body)))
    return list(found.values())[:MOST_WARNINGS]


def _mended(record: RunRecord) -> bool:
    return record.outcome == "succeeded" and record.replans > 0


def _quotes(plan: Wire, task: str, shown: Iterable[str]) -> bool:
    """Whether a plan has words from what was recalled that its task does not have.

    It was true when it was recalled; it need not be when the plan is used again.
    """
    recalled = {word for text in shown for word in words_of(text)}
    if not recalled:
        return False
    own = {word for leaf in leaves(plan) for word in words_of(str(leaf))}
    return any(
        len(word) > 3 or any(each.isdigit() for each in word)
        for word in (own & recalled) - set(words_of(task))
    )


def _told(record: RunRecord) -> str:
    """The record as a model sees it: bounded, and without outputs."""
    return compact_json(
        {
            "task": record.task[:MOST_TASK],
            "outcome": record.outcome,
            "steps": [
                {"tool": step.tool, "status": step.status, "error": step.code}
                for step in record.steps[:_SHOWN_STEPS]
            ],
            "repairs": list(record.repairs[:5]),
            "replans": record.replans,
        }
    )
