"""From events to spans."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Tracer, set_span_in_context

from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    ChildRunFinished,
    Event,
    MemoryRecalled,
    ModelCalled,
    PlanReady,
    PlanReused,
    RepairRequested,
    RunFinished,
    RunResumed,
    RunStarted,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepRetrying,
    StepStarted,
    ToolCalled,
    UndoFinished,
    UndoStarted,
)
from treadle.telemetry import conventions as names
from treadle.telemetry.run_spans import RunSpans, end_span, nanoseconds, note, open_root
from treadle.telemetry.step_spans import (
    finish_step,
    progress_step,
    record_model_call,
    record_tool_call,
    retry_step,
    start_step,
)

_MOST_REMEMBERED = 1_000
_CUT_SHORT = ErrorInfo("interrupted", "the events of the run break off here")


class SpanExporter:
    """Makes OpenTelemetry spans of the events of any number of runs, with the events' own times.

    A run is the span `invoke_agent treadle`; its steps are `execute_tool TOOL` beneath it; model
    calls (`chat MODEL`) and the tools that an agent calls lie beneath the step that makes them,
    those of the planner beneath the run. A run that a step has started lies beneath that step. A
    resumed run begins a new root, linked to the one before where this exporter has seen it.

    tracer: makes the spans; any implementation of the OpenTelemetry API.
    content: whether tasks, answers, arguments, results and messages of errors are exported; else
        only names, codes, counts and times are.

    Not for use from several threads at once.
    """

    def __init__(self, tracer: Tracer, *, content: bool = False) -> None:
        self._tracer = tracer
        self._content = content
        self._runs: dict[str, RunSpans] = {}
        # Bounded: a service runs for months, and only what goes on later needs these.
        self._roots: OrderedDict[str, SpanContext] = OrderedDict()
        self._tools: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._parents: OrderedDict[str, str] = OrderedDict()
        self._undoing: dict[tuple[str, str, int | None], tuple[Span, float]] = {}

    def take(self, event: Event) -> None:
        """Take the next event of a run. Kinds that no span tells of are passed over."""
        match event:
            case RunStarted():
                self._started(event)
            case RunResumed():
                self._resumed(event)
            case UndoStarted() | UndoFinished():
                self._undo(event)
            case _:
                run = self._runs.get(event.run_id)
                if run is not None:
                    self._within_run(run, event)
                    run.last = event.at

    def recall(self, events: Iterable[Event]) -> None:
        """Take note of what a run has done before, in another process as a rule; makes no span."""
        for event in events:
            tools = self._tools.get(event.run_id)
            match event:
                case RunStarted() if event.run_id not in self._runs:
                    self._remember(event.run_id, {})
                    self._remember_parent(event)
                case StepPlanned() if tools is not None:
                    tools[event.step_id] = event.tool
                case StepDropped() if tools is not None:
                    tools.pop(event.step_id, None)

    def span_of(self, run_id: str, step_id: str | None) -> Span | None:
        """The span of what goes on in a step now, or of the run; None where it has none."""
        run = self._runs.get(run_id)
        if run is None:
            return None
        step = None if step_id is None else run.steps.get(step_id)
        return run.root if step is None else step.span

    def close(self) -> None:
        """End the spans of runs that have no end yet, at their last event, as cut short."""
        for run_id in list(self._runs):
            self._cut_short(run_id)
        for span, began in self._undoing.values():
            end_span(span, began, _CUT_SHORT, content=self._content)
        self._undoing.clear()

    # ---- runs --------------------------------------------------------------------------------

    def _started(self, event: RunStarted) -> None:
        attributes = names.run_attributes(event.run_id)
        if self._content:
            attributes |= names.task_content(event.task)
        self._remember_parent(event)
        self._open(event, attributes, self._within_parent(event.parent))

    def _resumed(self, event: RunResumed) -> None:
        self._cut_short(event.run_id)
        attributes = {**names.run_attributes(event.run_id), names.RUN_RESUMED: True}
        self._open(event, attributes, self._within_parent(self._parents.get(event.run_id)))

    def _open(self, event: Event, attributes: names.Attributes, within: Context | None) -> None:
        before = self._roots.get(event.run_id)
        root = open_root(
            self._tracer, f"invoke_agent {names.AGENT}", event.at, attributes, within=within,
            before=() if before is None else (before,),
        )  # fmt: skip
        run = self._runs[event.run_id] = RunSpans(self._tracer, root, content=self._content)
        run.last = event.at
        run.tools = self._tools.pop(event.run_id, {})
        self._roots[event.run_id] = root.get_span_context()
        self._roots.move_to_end(event.run_id)
        if len(self._roots) > _MOST_REMEMBERED:
            self._roots.popitem(last=False)

    def _within_parent(self, parent: str | None) -> Context | None:
        """None, the current context, for a run of its own."""
        run_id, _, rest = (parent or "").partition("/")
        run = self._runs.get(run_id)
        return None if run is None else run.within(rest.partition("/")[0])

    def _cut_short(self, run_id: str) -> None:
        run = self._runs.get(run_id)
        if run is not None:
            run.end_all(run.last, _CUT_SHORT)
            self._forget(run_id)

    def _forget(self, run_id: str) -> None:
        self._remember(run_id, self._runs.pop(run_id).tools)

    def _remember_parent(self, event: RunStarted) -> None:
        if event.parent is not None:
            self._parents[event.run_id] = event.parent
            if len(self._parents) > _MOST_REMEMBERED:
                self._parents.popitem(last=False)

    def _remember(self, run_id: str, tools: dict[str, str]) -> None:
        self._tools[run_id] = tools
        if len(self._tools) > _MOST_REMEMBERED:
            self._tools.popitem(last=False)

    def _finished(self, run: RunSpans, event: RunFinished) -> None:
        run.root.set_attributes(names.usage_attributes(event.usage))
        run.root.set_attribute(names.RUN_STATUS, event.status)
        if self._content:
            run.root.set_attributes(names.answer_content(event.answer))
        failed = event.error if event.status in ("failed", "cancelled") else None
        if event.status in ("failed", "cancelled") and failed is None:
            failed = ErrorInfo(event.status, f"the run was {event.status}")
        run.end_all(event.at, failed)
        self._forget(event.run_id)

    # ---- what happens in a run -----------------------------------------------------------------

    def _within_run(self, run: RunSpans, event: Event) -> None:
        match event:
            case StepPlanned():
                run.tools[event.step_id] = event.tool
            case StepDropped():
                run.tools.pop(event.step_id, None)
            case StepStarted():
                start_step(run, event, content=self._content)
            case StepProgress():
                progress_step(run, event, content=self._content)
            case StepRetrying():
                retry_step(run, event)
            case StepFinished():
                finish_step(run, event, content=self._content)
            case ModelCalled():
                record_model_call(run, event)
            case ToolCalled():
                record_tool_call(run, event, content=self._content)
            case RunFinished():
                self._finished(run, event)
            case _:
                self._noted(run, event)

    def _noted(self, run: RunSpans, event: Event) -> None:
        """What has no duration is an event on a span."""
        match event:
            case PlanReady():
                note(run.root, "treadle.plan.ready", event.at, plan_version=event.version)
            case MemoryRecalled():
                note(run.root, "treadle.memory.recalled", event.at, items=len(event.items))
            case PlanReused():
                note(run.root, "treadle.plan.reused", event.at, procedure=event.procedure)
            case RepairRequested():
                note(run.root, "treadle.plan.repair", event.at, repair_attempt=event.attempt)
            case ApprovalRequested():
                note(run.root, "treadle.approval.requested", event.at, steps=len(event.step_ids))
            case ApprovalAnswered():
                decision = "approved" if event.approved else "denied"
                note(run.root, "treadle.approval.answered", event.at, decision=decision)
            case ChildRunFinished():
                step = run.steps.get(event.step_id or "")
                span = run.root if step is None else step.span
                note(span, "treadle.run.child", event.at, run_id=event.child_id)

    # ---- undo --------------------------------------------------------------------------------

    def _undo(self, event: UndoStarted | UndoFinished) -> None:
        """Undoing has spans of its own beneath the run, which may have ended long before."""
        key = (event.run_id, event.step_id, event.index)
        if isinstance(event, UndoFinished):
            opened = self._undoing.pop(key, None)
            if opened is not None:
                end_span(opened[0], event.at, event.error, content=self._content)
            return
        run = self._runs.get(event.run_id)
        tools = self._tools.get(event.run_id, {}) if run is None else run.tools
        root = self._roots.get(event.run_id)
        if event.step_id not in tools:
            return
        # Run by another process: where its spans are is not known here.
        within = None if root is None else set_span_in_context(NonRecordingSpan(root), Context())
        attributes = names.tool_attributes(tools[event.step_id], event.run_id, event.step_id)
        span = self._tracer.start_span(
            f"undo {tools[event.step_id]}",
            within,
            attributes={**attributes, "gen_ai.operation.name": "undo"},
            start_time=nanoseconds(event.at),
        )
        self._undoing[key] = (span, event.at)
