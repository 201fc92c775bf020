"""One snippet from its start to its end: every call that it makes is answered here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from treadle.core.errors import BudgetExceeded, RunError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.tools.codemode.interpreter import Turns
from treadle.tools.codemode.json_edge import json_of
from treadle.tools.codemode.limits import CodeModeLimits
from treadle.tools.codemode.stubs import Stubs

if TYPE_CHECKING:
    from pydantic_monty import (
        ExternalSettledResult,
        FunctionSnapshot,
        FutureSnapshot,
        SyncSnapshot,
    )

_AS_PYTHON = {
    "invalid_arguments": ValueError,
    "tool_timeout": TimeoutError,
}
"""Codes that Python has an exception for; the others are a RuntimeError."""

_STOP_SECONDS = 5.0
"""For the calls that are cancelled with the snippet."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a call is answered with. failure: raised inside the snippet, in place of a value."""

    value: JsonValue = None
    failure: Exception | None = None

    def wire(self) -> ExternalSettledResult:
        if self.failure is not None:
            return {"exception": self.failure}
        return {"return_value": self.value}


class CallTool(Protocol):
    """Where the calls of a snippet go: the host's policy, budget and journal."""

    async def __call__(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
        """Call the tool `name`.

        A TreadleError is raised inside the snippet, which may catch it, except for those that end
        more than this call: BudgetExceeded and RunError. Those, and all others, end the snippet.
        """
        ...


class SnippetLimit(Exception):
    """A limit that the interpreter does not know of was passed."""


class Snippet:
    """Runs one snippet in a session of the interpreter that nothing else uses.

    No call is made before the snippet waits for one; those that it has asked for by then are made
    at once, and a snippet that waits for nothing makes none, as everywhere in Python.
    """

    def __init__(self, stubs: Stubs, call: CallTool, limits: CodeModeLimits) -> None:
        self._stubs = stubs
        self._call = call
        self._limits = limits
        self._room = asyncio.Semaphore(limits.parallel_calls)
        self._waiting: dict[int, FunctionSnapshot] = {}
        self._running: dict[int, asyncio.Task[_Answer]] = {}
        self.calls = 0
        """How many calls of tools were made."""

    @property
    def never_awaited(self) -> list[str]:
        """The functions that were called without `await`, so that nothing happened."""
        return [str(each.function_name) for each in self._waiting.values()]

    async def run(self, turns: Turns, code: str, printed: Any) -> object:
        """The value of the last expression of `code`.

        printed: what takes the output.

        Raises pydantic_monty's errors, SnippetLimit, and what ends more than one call.
        """
        from pydantic_monty import FunctionSnapshot, FutureSnapshot, MontyComplete

        lookup: dict[str, object] = {name: _named(name) for name in self._stubs.tools}
        try:
            snapshot = await turns.start(code, lookup, printed)
            while not isinstance(snapshot, MontyComplete):
                if isinstance(snapshot, FunctionSnapshot):
                    snapshot = await self._function_called(turns, snapshot)
                elif isinstance(snapshot, FutureSnapshot):
                    answers = await self._next(snapshot)
                    snapshot = await turns.resume_together(snapshot, answers)
                else:
                    snapshot = await turns.look_up(snapshot)
            return snapshot.output
        finally:
            await self._stop()

    async def _function_called(self, turns: Turns, snapshot: FunctionSnapshot) -> SyncSnapshot:
        if snapshot.is_os_function:
            # Files, clocks, the environment: nothing of the host's is handed in.
            return await turns.deny(snapshot)
        name = str(snapshot.function_name)
        if snapshot.object_id is not None or name not in self._stubs.tools:
            # No more is granted than was given; a model may have seen other names elsewhere.
            return await turns.resume(
                snapshot,
                {"exc_type": "NameError", "message": f"name '{name[:100]}' is not defined"},
            )
        if snapshot.allow_eager_await:
            # Nothing else can go on in the snippet meanwhile: one turn in place of two.
            answer = await self._answer(snapshot)
            return await turns.resume_awaited(snapshot, answer.wire())
        if len(self._waiting) >= self._limits.calls:
            raise SnippetLimit(f"it makes more than {self._limits.calls} calls")
        self._waiting[snapshot.call_id] = snapshot
        return await turns.resume(snapshot, {"future": ...})

    async def _next(self, snapshot: FutureSnapshot) -> dict[int, ExternalSettledResult]:
        """The answers that are there first, of the calls that the snippet waits for."""
        for call_id in snapshot.pending_call_ids:
            waiting = self._waiting.pop(call_id, None)
            if waiting is not None:
                self._running[call_id] = asyncio.ensure_future(self._answer(waiting))
        done, _ = await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
        answers = {id_: task.result().wire() for id_, task in self._running.items() if task in done}
        for call_id in answers:
            del self._running[call_id]
        return answers

    async def _answer(self, snapshot: FunctionSnapshot) -> _Answer:
        if self.calls >= self._limits.calls:
            raise SnippetLimit(f"it makes more than {self._limits.calls} calls")
        self.calls += 1
        function = str(snapshot.function_name)
        try:
            given = self._stubs.arguments(function, snapshot.args, snapshot.kwargs)
            arguments = {
                name: json_of(value, self._limits.result_characters)
                for name, value in given.items()
            }
        except (TypeError, ValueError) as error:
            return _Answer(failure=TypeError(f"{function}: {error}"))
        try:
            async with self._room:
                value = await self._call(self._stubs.tools[function].name, arguments)
        except (BudgetExceeded, RunError):
            raise
        except TreadleError as error:
            kind = _AS_PYTHON.get(error.code, RuntimeError)
            return _Answer(failure=kind(f"{error.code}: {error.message}"))
        return _Answer(value)

    async def _stop(self) -> None:
        """Nothing that was started for the snippet outlives it."""
        running = list(self._running.values())
        self._running.clear()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_STOP_SECONDS)


def _named(name: str) -> object:
    """What the interpreter is given for a function that is used as a value; it is never called."""

    def function() -> None:
        """Calls are answered by the host."""

    function.__name__ = function.__qualname__ = name
    return function
