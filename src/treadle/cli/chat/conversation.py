"""A conversation: an entry in, a run shown, the answer out."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.memory import InMemorySaver

from treadle.agents.session import ChatSession
from treadle.cli.approval_reply import Read, decided
from treadle.cli.chat.commands import is_stand_in, run_command
from treadle.cli.chat.describe import calls_text
from treadle.cli.chat.memory import ChatMemory, warned
from treadle.cli.chat.outcome import show_outcome
from treadle.cli.chat.screen import Screen
from treadle.cli.chat.slash import parse_entry
from treadle.cli.chat.turn_view import TurnView
from treadle.cli.interrupts import Stopped, on_signal, silent_keys
from treadle.cli.lent_memory import LentMemory, lent_memory, tools_of
from treadle.cli.options import CommonOptions, all_tools, database_url, new_runtime
from treadle.core.errors import InputError, TreadleError
from treadle.core.events import Event, MemoryRecalled, PlanReused
from treadle.executor.approval import Reply

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from treadle.agents.agent import Agent
    from treadle.agents.runs.run_stream import RunStream
    from treadle.agents.runtime import Runtime
    from treadle.executor.result import RunResult
    from treadle.memory.langgraph import TreadleCheckpointer
    from treadle.tools.tool import Tool


def kept(options: CommonOptions) -> TreadleCheckpointer:
    """Where conversations are kept, so that a later chat can go on with them."""
    from treadle.memory.langgraph import TreadleCheckpointer

    return TreadleCheckpointer(database_url(options))


class Conversation:
    """What is talked about, with which Runtime; `over` once a person has said so.

    screen: where everything is written.
    new_view: what shows a turn.
    read: reads what a person answers to a question; None where there is nobody to ask.
    thread: the conversation of an earlier chat to go on with; a new one by default.

    Entering makes the Runtime, and raises ConfigError, what `make_runtime` raises, and InputError
    (`unknown_thread`).
    """

    runtime: Runtime
    session: ChatSession
    memory: ChatMemory | None = None
    """What is remembered; None where the chat is to have none."""

    def __init__(
        self,
        options: CommonOptions,
        screen: Screen,
        new_view: Callable[[], TurnView],
        read: Read | None = None,
        thread: str | None = None,
    ) -> None:
        self.options = options
        self.screen = screen
        self.over = False
        self._thread = thread
        self._checkpointer: BaseCheckpointSaver[Any] = InMemorySaver()
        self._tools: tuple[Tool | Agent, ...] = ()
        self._lent = AsyncExitStack()
        self._new_view = new_view
        self._forgot = False
        self.read = read

    async def take(self, entry: str) -> None:
        """Carry out what was typed: a command or a task. No failure ends the conversation.

        Raises Stopped where there is nobody who could go on after a Ctrl-C.
        """
        try:
            parsed = parse_entry(entry)
            if not isinstance(parsed, str):
                await run_command(self, parsed)
            elif parsed:
                await self._turn(parsed)
        except TreadleError as error:
            if isinstance(error, Stopped) and self.read is None:
                raise
            self.screen.error(error)

    async def use_model(self, spec: str) -> None:
        """Go on with another model. Raises ConfigError, and the model stays, if it is none."""
        runtime = new_runtime(self.options, self._tools, model=spec, memory=self.memory)
        session = ChatSession(
            runtime, checkpointer=self._checkpointer, thread_id=self.session.thread_id
        )
        session.usage, session.last_plan = self.session.usage, self.session.last_plan
        await session.load()
        before, self.runtime, self.session = self.runtime, runtime, session
        await before.aclose()

    async def _turn(self, task: str) -> None:
        view = self._new_view()
        result = await self._follow(self.session.stream(task), view)
        while result.status == "waiting":
            reply = await self._approval()
            result = await self._follow(self.session.decide(reply), view)
        show_outcome(result, self.screen, view.streamed)
        if self.memory is not None:
            await self._keep(self.memory, task, result)

    async def _keep(self, memory: ChatMemory, task: str, result: RunResult) -> None:
        """Remember the turn; what was to be forgotten goes from the conversation, too."""
        if not self._forgot:
            await memory.keep(task, result, stand_in=is_stand_in(self))
        else:
            memory.recalled = ()
            await self.session.reset()
            self.screen.note("this conversation is forgotten, too")
        failure, memory.failure = memory.failure, None
        if failure is not None:
            self.screen.error(failure)

    async def _follow(self, run: RunStream, view: TurnView) -> RunResult:
        """Show the run until it ends or waits. Ctrl-C stops it; over a pipe, everything."""

        def stop(times: int) -> None:
            view.stopping(times)
            run.cancel()

        keys = nullcontext() if self.read is None else on_signal(signal.SIGINT, stop)
        with silent_keys(), view, keys:
            async with run:
                async for event in run:
                    self._heard(event)
                    view.take(event)
        self._forgot = run.forgot
        if run.erasure_error is not None:
            self.screen.error(run.erasure_error)
        return run.result

    def _heard(self, event: Event) -> None:
        """Say what memory has given to the turn."""
        if isinstance(event, MemoryRecalled) and self.memory is not None:
            self.memory.heard(event)
            count = len(self.memory.recalled)
            if event.error is not None:
                self.screen.note(f"memory could not be asked: {event.error.message}")
            elif count:
                self.screen.note(f"recalled {count} from memory{warned(event)} · /recall shows it")
        elif isinstance(event, PlanReused):
            self.screen.note("a plan that has worked before is used again")

    async def _approval(self) -> Reply:
        """What a person says of the calls that wait; no answer is a no."""
        calls = self.session.pending_calls()
        if self.read is None:
            self.screen.note(f"This changes things:\n{calls_text(calls)}")
            self.screen.note("nobody can be asked here, so the answer is no; --yes approves")
            return False
        said = await decided(calls, "Go ahead?", self.read, self.screen.note)
        return False if said is None else said

    async def __aenter__(self) -> Conversation:
        async with AsyncExitStack() as stack:
            lent: LentMemory | None = None
            if self.options.memory:
                lent = await stack.enter_async_context(lent_memory(self.options))
                here = ChatMemory(lent, lambda: self.session.thread_id)
                self.memory = await stack.enter_async_context(here)
            others = replace(self.options, memory=False)
            tools = await stack.enter_async_context(all_tools(others))
            taken = {each.name for each in tools}
            self._tools = (*tools, *(tools_of(lent, taken) if lent is not None else ()))
            self.runtime = new_runtime(self.options, self._tools, memory=self.memory)
            if self.options.memory or self._thread is not None:
                self._checkpointer = await stack.enter_async_context(kept(self.options))
            self.session = ChatSession(
                self.runtime, checkpointer=self._checkpointer, thread_id=self._thread
            )
            if self._thread is not None and not await self.session.load():
                await self.runtime.aclose()
                raise InputError(
                    "unknown_thread", f"no conversation '{self._thread[:80]}' is kept here"
                )
            self._lent = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.runtime.aclose()
        finally:
            # What the servers were lent for ends first.
            await self._lent.aclose()
