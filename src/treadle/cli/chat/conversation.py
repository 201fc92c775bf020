"""A conversation: an entry in, a run shown, the answer out."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING

from langgraph.checkpoint.memory import InMemorySaver

from treadle.agents.session import ChatSession
from treadle.cli.approval_reply import Read, decided
from treadle.cli.chat.commands import run_command
from treadle.cli.chat.describe import calls_text
from treadle.cli.chat.outcome import show_outcome
from treadle.cli.chat.screen import Screen
from treadle.cli.chat.slash import parse_entry
from treadle.cli.chat.turn_view import TurnView
from treadle.cli.interrupts import Stopped, on_signal, silent_keys
from treadle.cli.options import CommonOptions, all_tools, new_runtime
from treadle.core.errors import TreadleError
from treadle.executor.approval import Reply

if TYPE_CHECKING:
    from treadle.agents.agent import Agent
    from treadle.agents.runs.run_stream import RunStream
    from treadle.agents.runtime import Runtime
    from treadle.executor.result import RunResult
    from treadle.tools.tool import Tool


class Conversation:
    """What is talked about, with which Runtime; `over` once a person has said so.

    screen: where everything is written.
    new_view: what shows a turn.
    read: reads what a person answers to a question; None where there is nobody to ask.

    Entering makes the Runtime, and raises ConfigError, and what `make_runtime` raises.
    """

    runtime: Runtime
    session: ChatSession

    def __init__(
        self,
        options: CommonOptions,
        screen: Screen,
        new_view: Callable[[], TurnView],
        read: Read | None = None,
    ) -> None:
        self.options = options
        self.screen = screen
        self.over = False
        self._checkpointer = InMemorySaver()
        self._tools: tuple[Tool | Agent, ...] = ()
        self._lent = AsyncExitStack()
        self._new_view = new_view
        self._read = read

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
            if isinstance(error, Stopped) and self._read is None:
                raise
            self.screen.error(error)

    async def use_model(self, spec: str) -> None:
        """Go on with another model. Raises ConfigError, and the model stays, if it is none."""
        runtime = new_runtime(self.options, self._tools, model=spec)
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

    async def _follow(self, run: RunStream, view: TurnView) -> RunResult:
        """Show the run until it ends or waits. Ctrl-C stops it; over a pipe, everything."""

        def stop(times: int) -> None:
            view.stopping(times)
            run.cancel()

        keys = nullcontext() if self._read is None else on_signal(signal.SIGINT, stop)
        with silent_keys(), view, keys:
            async with run:
                async for event in run:
                    view.take(event)
        return run.result

    async def _approval(self) -> Reply:
        """What a person says of the calls that wait; no answer is a no."""
        calls = self.session.pending_calls()
        if self._read is None:
            self.screen.note(f"This changes things:\n{calls_text(calls)}")
            self.screen.note("nobody can be asked here, so the answer is no; --yes approves")
            return False
        said = await decided(calls, "Go ahead?", self._read, self.screen.note)
        return False if said is None else said

    async def __aenter__(self) -> Conversation:
        async with AsyncExitStack() as stack:
            self._tools = await stack.enter_async_context(all_tools(self.options))
            self.runtime = new_runtime(self.options, self._tools)
            self.session = ChatSession(self.runtime, checkpointer=self._checkpointer)
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
