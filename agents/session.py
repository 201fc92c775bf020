"""ChatSession: a conversation whose turns are runs.

A turn is a LangGraph StateGraph over the stages of one run: plan -> execute -> join, and from
there replan, ask a person, or finish. Steps start while the plan is still being written, so
`execute` waits for work that `plan` has begun: no barrier lies between them. The graph keeps the
conversation in any checkpointer; checkpoints hold messages and run ids, never a copy of a run.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from treadle.agents.message_labels import labelled, labels_in
from treadle.agents.runs.pipeline import Pipeline, Stage
from treadle.agents.runs.run_stream import RunStream
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import Message, Role, Usage
from treadle.core.clock import SystemClock
from treadle.core.errors import RunError
from treadle.core.event_log import EventLog
from treadle.core.events import ModelCalled, RunWaiting
from treadle.core.ids import new_run_id
from treadle.core.json_value import as_text
from treadle.core.program import Program, current_program
from treadle.executor import PendingCall, RunResult
from treadle.executor.approval import Decision, Reply, decisions_of
from treadle.planner.plan import Plan

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from treadle.agents.runtime import Runtime

HISTORY = 24_000
"""Characters of the conversation that the planner is shown, the latest first."""


class SessionState(TypedDict):
    """What a checkpoint holds."""

    messages: Annotated[list[AnyMessage], add_messages]
    run_id: str
    stage: Stage


class ChatSession:
    """A conversation with a Runtime.

    checkpointer: any LangGraph checkpointer; in memory by default.
    thread_id: which conversation of the checkpointer to go on with; a new one by default.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        thread_id: str | None = None,
    ) -> None:
        self.runtime = runtime
        self.thread_id = thread_id or str(uuid.uuid4())
        self.usage = Usage()
        """Tokens and calls of this session so far."""
        self.last_plan: Plan | None = None
        """The plan of the latest turn that had one, or the latest that `plan` made."""
        self._checkpointer = checkpointer if checkpointer is not None else InMemorySaver()
        self._graph = self._compiled()
        self._live: dict[str, Pipeline] = {}
        self._messages: list[Message] | None = None
        self._busy = False

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, as far as it was loaded by the first turn (or `load`)."""
        return tuple(self._messages or ())

    async def load(self) -> tuple[Message, ...]:
        """Read the conversation from the checkpointer."""
        state = await self._graph.aget_state(self._config)
        self._messages = [_plain(message) for message in state.values.get("messages", ())]
        return self.messages

    def stream(self, text: str) -> RunStream:
        """A turn: use it like `Runtime.stream`.

        If a person must approve something and the Runtime has no `approve`, the events end with
        RunWaiting and the result's status is `waiting`; `decide` goes on from there.

        A turn that still waits for `decide` is given up by the next one. One in which something was
        erased from a memory takes the conversation with it.

        Leaving the block raises RunError (`turn_running`) when a turn is under way.
        """
        pipeline = self.runtime.open_pipeline(text)

        async def drive() -> RunResult:
            with self._alone():
                await self._give_up()
                pipeline.set_history(_recent(await self.load()))
                self._live[pipeline.log.run_id] = pipeline
                turn: SessionState = {
                    "messages": [HumanMessage(text)],
                    "run_id": pipeline.log.run_id,
                    "stage": "plan",
                }
                return await self._invoke(turn, pipeline)

        return self.runtime.open_stream(pipeline, drive)

    def decide(self, reply: Reply) -> RunStream:
        """Go on with the turn that waits for an approval; use it like `stream`.

        reply: for all of `pending_calls`, or a Decision for some of them, by step id.

        Raises RunError (`nothing_waits`) when no turn does, and what `decisions_of` raises.
        """
        pipeline = next(iter(self._live.values()), None)
        if pipeline is None:
            raise RunError("nothing_waits", "no turn of this session waits for an approval")

        # As data: a checkpoint holds it.
        said = {
            step_id: [each.approved, each.reason, each.arguments]
            for step_id, each in decisions_of(reply, pipeline.pending_calls()).items()
        }

        async def drive() -> RunResult:
            with self._alone():
                return await self._invoke(Command(resume={"decisions": said}), pipeline)

        return self.runtime.open_stream(pipeline, drive, first_event=len(pipeline.log.events))

    def pending_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for `decide`."""
        pipeline = next(iter(self._live.values()), None)
        return () if pipeline is None else pipeline.pending_calls()

    async def plan(self, text: str) -> Plan:
        """Plan a turn without running it; it leaves no trace in the conversation.

        It becomes `last_plan`, and its tokens count. Raises as `Runtime.plan` does, and RunError
        (`turn_running`) when a turn is under way.
        """
        with self._alone():
            clock = SystemClock()
            log = EventLog(new_run_id(), clock)
            program = Program(
                log.run_id, BudgetMeter(Budget(), clock, prices=self.runtime.prices), log
            )
            token = current_program.set(program)
            try:
                plan = await self.runtime.plan(text, history=_recent(await self.load()))
            finally:
                current_program.reset(token)
                calls = (event.usage for event in log.events if isinstance(event, ModelCalled))
                self.usage += sum(calls, Usage())
        self.last_plan = plan
        return plan

    async def reset(self) -> None:
        """Forget the conversation, in the checkpointer too; give up a turn that waits.

        Raises RunError (`turn_running`) when a turn is under way.
        """
        with self._alone():
            await self._give_up()
            await self._checkpointer.adelete_thread(self.thread_id)
        self._messages = []
        self.last_plan = None
        self.usage = Usage()

    @property
    def _config(self) -> RunnableConfig:
        return {"configurable": {"thread_id": self.thread_id}}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._busy:
            raise RunError("turn_running", "a turn of this session is under way; wait for its end")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def _give_up(self) -> None:
        """End the turn that waits for a decision: nobody will make it any more."""
        while self._live:
            _, pipeline = self._live.popitem()
            pipeline.cancel()
            result = await pipeline.finish()
            await pipeline.erase_again()
            self.usage += result.usage

    async def _invoke(self, turn: SessionState | Command[Any], pipeline: Pipeline) -> RunResult:
        try:
            state = await self._graph.ainvoke(turn, self._config)
        except BaseException:
            # Not there any more: it was the checkpointer that failed, after the end of the run.
            if self._live.pop(pipeline.log.run_id, None) is not None:
                await pipeline.finish()
            raise
        if "__interrupt__" in state:
            step_ids = tuple(call.step_id for call in pipeline.pending_calls())
            pipeline.log.append(RunWaiting(step_ids=step_ids))
            return RunResult.from_events(pipeline.log.events)
        self._messages = [_plain(message) for message in state["messages"]]
        result = pipeline.result
        self.usage += result.usage
        self.last_plan = result.plan or self.last_plan
        if pipeline.forgot:
            # Whom it was about stands in the conversation, in the words of the person at least.
            await self._checkpointer.adelete_thread(self.thread_id)
            self._messages, self.last_plan = [], None
        return result

    def _compiled(self) -> CompiledStateGraph[SessionState]:
        graph: StateGraph[SessionState] = StateGraph(SessionState)
        for name in ("plan", "execute", "join", "replan"):
            graph.add_node(name, self._stage(name))
        graph.add_node("ask", self._ask)
        graph.add_node("finish", self._finish)
        graph.add_edge(START, "plan")
        for name in ("plan", "execute", "join", "replan", "ask"):
            graph.add_conditional_edges(name, _next_stage)
        graph.add_edge("finish", END)
        return graph.compile(checkpointer=self._checkpointer)

    def _stage(self, name: str) -> Any:
        async def node(state: SessionState) -> dict[str, Any]:
            stage = await getattr(self._run_of(state), name)()
            # The run may have erased the checkpoints so far, which said what was to be forgotten.
            return {"stage": stage, "run_id": state["run_id"]}

        return node

    async def _ask(self, state: SessionState) -> dict[str, Any]:
        pipeline = self._run_of(state)
        calls = [
            {"step": call.step_id, "tool": call.tool, "effect": call.effect.value}
            for call in pipeline.pending_calls()
        ]
        said = interrupt({"approve": calls})["decisions"]
        pipeline.decide_approval({step_id: Decision(*each) for step_id, each in said.items()})
        return {"stage": "execute"}

    async def _finish(self, state: SessionState) -> dict[str, Any]:
        pipeline = self._live.pop(state["run_id"])
        result = await pipeline.finish()
        if result.status == "succeeded":
            text = as_text(result.answer)
        else:
            text = f"({result.status}: {result.error})"
        kept = labelled(result.taint)
        return {"messages": [AIMessage(text, id=result.run_id, **kept)]}

    def _run_of(self, state: SessionState) -> Pipeline:
        pipeline = self._live.get(state["run_id"])
        if pipeline is None:
            raise RunError("run_lost", f"the run {state['run_id']} belongs to another process")
        return pipeline


def _next_stage(state: SessionState) -> str:
    return state["stage"]


def _plain(message: AnyMessage) -> Message:
    content = message.content
    text = content if isinstance(content, str) else as_text(content)  # type: ignore[arg-type]
    role: Role = "user" if message.type == "human" else "assistant"
    return Message(role, text, taint=labels_in(message))


def _recent(messages: Sequence[Message]) -> tuple[Message, ...]:
    room = HISTORY
    kept: list[Message] = []
    for message in reversed(messages):
        room -= len(message.content)
        if room < 0:
            if not kept:
                # The very latest is too long by itself: its beginning says what it is about.
                kept.append(replace(message, content=message.content[:HISTORY]))
            break
        kept.append(message)
    return tuple(reversed(kept))
