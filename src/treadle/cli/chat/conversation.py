"""A conversation at the terminal: a line in, a run shown, the answer out."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from treadle.agents.runtime import Runtime
from treadle.agents.session import ChatSession
from treadle.cli.answer import print_outcome
from treadle.cli.approval import ask_at_terminal
from treadle.cli.chat.commands import run_command
from treadle.cli.follow import follow
from treadle.cli.live import LiveRun
from treadle.cli.options import CommonOptions, make_runtime
from treadle.cli.output import print_error
from treadle.cli.plain import PlainRun
from treadle.core.errors import TreadleError
from treadle.executor.approval import ApprovalRequest

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver


class Conversation:
    """What the chat commands work on."""

    def __init__(self, options: CommonOptions) -> None:
        self.options = options
        self.over = False
        self._live: LiveRun | None = None
        self.runtime = self._make_runtime(None)
        self._checkpointer = _in_memory()
        self.session = ChatSession(self.runtime, checkpointer=self._checkpointer)

    async def take(self, line: str) -> None:
        """Carry out one input: a command, or a task. No failure ends the conversation."""
        try:
            if line.startswith("/"):
                await run_command(self, line)
            elif line.strip():
                await self._turn(line)
        except TreadleError as error:
            print_error(error, debug=self.options.debug)

    async def use_model(self, spec: str) -> None:
        """Go on with another model. Raises ConfigError; the old one stays then."""
        runtime = self._make_runtime(spec)
        before, self.runtime = self.runtime, runtime
        old = self.session
        self.session = ChatSession(
            runtime, checkpointer=self._checkpointer, thread_id=old.thread_id
        )
        self.session.usage, self.session.last_plan = old.usage, old.last_plan
        await self.session.load()
        await before.aclose()

    async def close(self) -> None:
        """End what runs and close the connections."""
        await self.runtime.aclose()

    async def _turn(self, task: str) -> None:
        stream = self.session.stream(task)
        if not sys.stderr.isatty():
            print_outcome(await follow(stream, PlainRun(), second_exits=False))
            return
        from rich.console import Console

        self._live = LiveRun(Console(stderr=True))
        try:
            with self._live:
                result = await follow(stream, self._live, second_exits=False)
        finally:
            self._live = None
        print_outcome(result)

    def _make_runtime(self, model: str | None) -> Runtime:
        return make_runtime(
            self.options,
            approve=self._approve if self.options.interactive else None,
            model=model,
        )

    async def _approve(self, request: ApprovalRequest) -> bool:
        live = self._live
        ask: Callable[[ApprovalRequest], Awaitable[bool]] = (
            ask_at_terminal() if live is None else ask_at_terminal(live.pause, live.resume)
        )
        return await ask(request)


def _in_memory() -> BaseCheckpointSaver[str]:
    from langgraph.checkpoint.memory import InMemorySaver

    return InMemorySaver()
