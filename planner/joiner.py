"""The joiner: looks at what came out, and answers, replans or gives up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from treadle.core.chat import ChatModel, ChatRequest, Message, ResponseSchema, TextDelta
from treadle.core.errors import ErrorInfo, ModelError, PlanError
from treadle.core.events import RepairRequested
from treadle.core.invalid import reason_of
from treadle.core.json_value import JsonValue, as_text, compact_json
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, stream_model
from treadle.core.program import current_program
from treadle.planner.check import check_plan
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan
from treadle.planner.prompt import Prompts, describe_tools
from treadle.planner.schema import decision_schema
from treadle.planner.shown_tools import MOST_SHOWN, ShownTools
from treadle.planner.step import OnFailure
from treadle.tools import ToolRegistry

_SHOWN = 4_000  # characters of one output that the model sees
_SHOWN_IN_ALL = 200_000
_MOST_STEPS = 12  # steps whose tools are looked for
_STEP = 500  # characters of what such a step does


@dataclass(frozen=True, slots=True)
class Observation:
    """What the joiner sees of one step. `status` is "not_run" for a step that waits for a patch."""

    step_id: str
    tool: str
    arguments: dict[str, JsonValue]
    status: str
    output: JsonValue = None
    error: ErrorInfo | None = None

    def described(self) -> str:
        """One line of JSON; long arguments and outputs are cut, and it says so."""
        document: dict[str, JsonValue] = {"step": self.step_id, "tool": self.tool}
        arguments = compact_json(self.arguments)
        if len(arguments) <= _SHOWN:
            document["args"] = self.arguments
        else:
            document["args_begin"] = arguments[:_SHOWN]
            document["args_characters"] = len(arguments)
        document["status"] = self.status
        if self.error is not None:
            document["error"] = f"{self.error.code}: {self.error.message}"[:_SHOWN]
        elif self.status == "succeeded":
            text = as_text(self.output)
            if len(text) <= _SHOWN:
                document["output"] = self.output
            else:
                document["output_begins"] = text[:_SHOWN]
                document["output_characters"] = len(text)
        return compact_json(document)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outputs suffice."""

    text: str


@dataclass(frozen=True, slots=True)
class Replan:
    """The next version of the plan, checked."""

    plan: Plan
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The task cannot be done."""

    reason: str


class _Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["answer", "replan", "fail"]
    answer: str | None = None
    reason: str | None = None
    patch: Any = None


class Joiner:
    """Asks a model what follows from the outputs.

    max_repairs: how often the model is asked again to mend a malformed decision.
    most_tools, shown: which tools it is shown, as in `LLMPlanner`; those of the plan in any case.
    """

    def __init__(
        self,
        model: ChatModel,
        prompts: Prompts,
        *,
        max_repairs: int = 2,
        most_tools: int = MOST_SHOWN,
        shown: ShownTools | None = None,
        deadlines: ModelDeadlines = DEFAULT_DEADLINES,
    ) -> None:
        self._model = model
        self._prompts = prompts
        self._max_repairs = max_repairs
        self._shown = shown or ShownTools(most_tools)
        self._deadlines = deadlines

    async def decide(
        self,
        task: str,
        plan: Plan,
        observations: Sequence[Observation],
        tools: ToolRegistry,
        *,
        started: Collection[str],
        remaining: int,
        history: Sequence[Message] = (),
        on_answer: Callable[[str], None] = lambda text: None,
    ) -> Answer | Replan | GiveUp:
        """Decide what follows.

        started: steps that a patch can no longer change.
        remaining: replans that are left; with 0 only an answer or giving up is taken.
        on_answer: gets the answer's text piece by piece while it is written.

        Raises ModelError (`model_malformed_reply` after all repairs, and the model's own).
        """
        shown = self._shown.of(
            tools,
            [task],
            [step.tool for step in plan.steps],
            # Without a replan left nothing new is called: what fits the steps is no matter.
            _step_texts(plan, observations) if remaining else (),
        )
        messages = [
            Message("system", self._prompts.fill("decide", tools=describe_tools(shown))),
            *history,
            Message("user", self._observed(task, observations, remaining)),
        ]
        schema = ResponseSchema("decision", decision_schema(shown))
        reader = _AnswerReader(on_answer)
        for attempt in range(1, self._max_repairs + 2):
            text = await self._ask(ChatRequest(tuple(messages), response_schema=schema), reader)
            try:
                return _read(text, plan, tools, started, remaining)
            except PlanError as error:
                if attempt > self._max_repairs:
                    raise ModelError(
                        "model_malformed_reply",
                        f"{self._model.name} gave no usable decision: {error.message}",
                    ) from None
                _report(attempt, error)
                messages += [
                    Message("assistant", text[:_SHOWN] or "(nothing)"),
                    Message("user", f"This cannot be used: {error}. Reply with one JSON object."),
                ]
        raise AssertionError("the loop returns or raises")

    async def _ask(self, request: ChatRequest, reader: _AnswerReader) -> str:
        reader.begin()
        async with aclosing(
            stream_model(self._model, request, purpose="join", deadlines=self._deadlines)
        ) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    reader.take(delta.text)
        return reader.end()

    def _observed(self, task: str, observations: Sequence[Observation], remaining: int) -> str:
        lines: list[str] = []
        room = _SHOWN_IN_ALL
        for index, observation in enumerate(observations):
            line = observation.described()
            room -= len(line)
            if room < 0:
                lines.append(f"(and {len(observations) - index} more steps)")
                break
            lines.append(line)
        return self._prompts.fill(
            "observations",
            task=task,
            observations="\n".join(lines) or "(none)",
            remaining=str(remaining),
        )


def _step_texts(plan: Plan, observations: Sequence[Observation]) -> list[str]:
    """What the steps were to do, for finding tools: first those that still have to be done."""
    done = {each.step_id for each in observations if each.status == "succeeded"}
    steps = sorted(plan.steps, key=lambda step: step.id in done)[:_MOST_STEPS]
    return [f"{step.note or ''} {step.tool} {compact_json(step.args)}"[:_STEP] for step in steps]


class _AnswerReader:
    """Hands on the `answer` inside a decision while its JSON is still being written."""

    def __init__(self, on_answer: Callable[[str], None]) -> None:
        self._on_answer = on_answer
        self._shown = ""
        self._chunks: list[str] = []
        self._length = 0
        self._next = 0

    def begin(self) -> None:
        """Another reply follows. What it says is handed on as far as it goes on what was shown."""
        self._chunks.clear()
        self._length = self._next = 0

    def take(self, text: str) -> None:
        """The reply's next characters."""
        self._chunks.append(text)
        self._length += len(text)
        # Parsing anew costs the length of the text: worth it once it has grown by a sixteenth.
        if self._length >= self._next:
            self._read("".join(self._chunks))
            self._next = self._length + max(8, self._length // 16)

    def end(self) -> str:
        """The reply has ended; all of it."""
        text = "".join(self._chunks)
        self._read(text)
        return text

    def _read(self, text: str) -> None:
        try:
            partial = from_json(text[text.find("{") :], allow_partial="trailing-strings")
        except ValueError:
            return  # prose or a fence around it; the complete text is judged at the end
        if not isinstance(partial, dict) or partial.get("action") != "answer":
            return
        answer = partial.get("answer")
        if isinstance(answer, str) and answer.startswith(self._shown):
            if len(answer) > len(self._shown):
                self._on_answer(answer[len(self._shown) :])
            self._shown = answer


def _read(
    text: str, plan: Plan, tools: ToolRegistry, started: Collection[str], remaining: int
) -> Answer | Replan | GiveUp:
    begin, end = text.find("{"), text.rfind("}")
    try:
        decision = _Decision.model_validate_json(text[begin : end + 1] if begin >= 0 else text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where, reason = ".".join(str(part) for part in first["loc"]), reason_of(first)
        raise PlanError("bad_decision", f"{where}: {reason}" if where else reason) from None
    if decision.action == "answer":
        if not decision.answer:
            raise PlanError("bad_decision", "the action 'answer' needs a text 'answer'")
        return Answer(decision.answer)
    if decision.action == "fail":
        return GiveUp(decision.reason or "no reason given")
    if remaining <= 0:
        raise PlanError("bad_decision", "no replan is left: answer or fail")
    patch = PlanPatch.from_wire(_with_policy(decision.patch))
    patched = patch.apply(plan, started)
    check_plan(patched, tools)
    return Replan(patched, decision.reason or "")


def _with_policy(patch: JsonValue) -> JsonValue:
    """New steps of the model's are replanned when they fail, as those of its plan are."""
    if not isinstance(patch, dict):
        return patch
    changed = dict(patch)
    for name in ("add", "replace"):
        steps = patch.get(name)
        if isinstance(steps, list):
            changed[name] = [
                {"on_failure": OnFailure.REPLAN.value, **step} if isinstance(step, dict) else step
                for step in steps
            ]
    return changed


def _report(attempt: int, error: PlanError) -> None:
    program = current_program.get()
    if program is not None:
        program.log.append(RepairRequested(attempt=attempt, errors=(ErrorInfo.of(error),)))
