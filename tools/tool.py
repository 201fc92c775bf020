"""A tool: a function with a schema, an effect and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from treadle.core.chat import FunctionSpec
from treadle.core.errors import ToolError, TreadleError
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.core.threads import run_in_thread
from treadle.tools.effect import Effect
from treadle.tools.signature import Signature

DEFAULT_TIMEOUT = 60.0
"""Seconds that a call may take where neither the tool nor the step says otherwise."""

Trace: TypeAlias = Callable[["Tool", tuple[object, ...], Mapping[str, object]], object]

active_trace: ContextVar[Trace | None] = ContextVar("treadle_trace", default=None)
"""While a workflow is being traced: what turns the call of a tool into a step."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A named function that plans and agents can call.

    name: letters, digits, `_`, `-`, `.`; unique within a registry.
    description: what the model reads; first line of the docstring by default.
    signature: names, types and checks of the arguments and the output.
    effect: what a call does to the world.
    timeout: seconds for one call, None for DEFAULT_TIMEOUT.
    concurrency: how many calls may run at once in a run, None for no limit of its own.
    calls_model: whether a call asks a language model; the serving layer is told what is to come.

    Calling a Tool calls its function; inside a `@workflow` it adds a step instead.
    """

    name: str
    description: str
    signature: Signature
    function: Callable[..., object]
    is_async: bool
    effect: Effect = Effect.READ
    timeout: float | None = None
    concurrency: int | None = None
    calls_model: bool = False

    @property
    def parameters(self) -> JsonSchema:
        """JSON schema of the arguments: one object, no additional properties."""
        return self.signature.parameters

    @property
    def returns(self) -> JsonSchema:
        """JSON schema of the output; empty when anything may come."""
        return self.signature.returns

    @property
    def spec(self) -> FunctionSpec:
        """The tool as a model sees it."""
        return FunctionSpec(self.name, self.description, self.parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = active_trace.get()
        if trace is not None:
            return trace(self, args, kwargs)
        return self.function(*args, **kwargs)

    async def call(
        self, arguments: Mapping[str, Any], *, timeout: float | None = None
    ) -> JsonValue:
        """Check `arguments`, call the function and return its output as a JSON value.

        timeout: seconds, in place of the tool's own.

        Raises ToolError: `invalid_arguments`, `tool_timeout`, `invalid_output`, `tool_failed` for
        any foreign exception, or the tool's own code.
        """
        checked = self.signature.check(self.name, arguments)
        seconds = timeout or self.timeout or DEFAULT_TIMEOUT
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                result = await self._invoke(checked)
        except TimeoutError as error:
            if deadline.expired():
                raise ToolError(
                    "tool_timeout",
                    f"'{self.name}' took more than {seconds:g} s; give it a longer timeout or "
                    f"less to do",
                    retryable=True,
                ) from error
            raise self._failure(error) from error
        return self.signature.output(self.name, result)

    async def _invoke(self, arguments: dict[str, object]) -> object:
        try:
            if self.is_async:
                return await cast(Awaitable[object], self.function(**arguments))
            return await run_in_thread(partial(self.function, **arguments))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The tool raised it by itself: that is a failure, not our cancellation.
            raise self._failure(error) from error
        except (TreadleError, TimeoutError):
            raise
        except (Exception, SystemExit) as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> ToolError:
        text = str(error).strip()
        named = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return ToolError("tool_failed", f"'{self.name}' raised {named}", retryable=True)
