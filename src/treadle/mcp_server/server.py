"""The MCP server: lists what is offered, carries out calls as runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treadle.core.clock import Clock, SystemClock
from treadle.core.errors import ErrorInfo, ToolError, TreadleError
from treadle.core.json_value import JsonValue, canonical_json, compact_json
from treadle.executor import RunResult
from treadle.mcp_server.asking import SCHEMA, form, is_yes, wording
from treadle.mcp_server.exposed import Exposed
from treadle.mcp_server.running import Question, Running
from treadle.tools import Effect

if TYPE_CHECKING:
    from mcp.server import Server
    from mcp.server.context import ServerRequestContext
    from mcp_types import (
        CallToolRequestParams,
        CallToolResult,
        InputRequiredResult,
        ListToolsResult,
        PaginatedRequestParams,
        Tool,
    )

APPROVAL_SECONDS = 600.0
MOST_RUNS = 64
"""Calls that go on at once; more are refused."""

_QUESTION = "approval"

_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run_id": {"type": ["string", "null"]},
        "status": {"type": ["string", "null"]},
        "answer": {},
        "error": {
            "type": ["object", "null"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        },
    },
    "required": ["run_id", "status", "answer", "error"],
}


@dataclass(slots=True)
class _Waiting:
    """A run between two requests of its client, which was asked something."""

    running: Running
    question: Question
    call: bytes
    expiry: asyncio.TimerHandle


@dataclass(slots=True)
class _State:
    """What lives as long as the server: the tasks of runs, and those that wait for an answer."""

    group: asyncio.TaskGroup
    running: set[Running] = field(default_factory=set)
    waiting: dict[str, _Waiting] = field(default_factory=dict)


def make_server(
    exposed: Sequence[Exposed],
    *,
    name: str = "treadle",
    approval_seconds: float = APPROVAL_SECONDS,
    clock: Clock | None = None,
) -> Server[Any]:
    """A server of the MCP SDK that offers `exposed`.

    Each call is a run; its events are the progress that the client is told, a cancelled request
    cancels the run. What needs approval is asked by elicitation where the client can ask a
    person; where it cannot, the call fails with `approval_needed`.

    approval_seconds: how long a question waits for its answer.
    """
    from mcp.server import Server

    import treadle

    service = _Service(exposed, approval_seconds, clock or SystemClock())
    return Server(
        name,
        version=treadle.__version__,
        lifespan=service.lifespan,
        get_tool_input_schema=service.schema,
        on_list_tools=service.list_tools,
        on_call_tool=service.call_tool,
    )


class _Service:
    def __init__(self, exposed: Sequence[Exposed], approval_seconds: float, clock: Clock) -> None:
        self._exposed = {each.name: each for each in exposed}
        self._approval_seconds = approval_seconds
        self._clock = clock

    @asynccontextmanager
    async def lifespan(self, server: Server[Any]) -> AsyncIterator[_State]:
        async with asyncio.TaskGroup() as group:
            state = _State(group)
            try:
                yield state
            finally:
                for waiting in state.waiting.values():
                    waiting.expiry.cancel()
                await asyncio.gather(*(each.stop() for each in state.running))

    def schema(self, name: str) -> Mapping[str, Any] | None:
        found = self._exposed.get(name)
        return None if found is None else dict(found.parameters)

    async def list_tools(
        self, context: ServerRequestContext[_State], parameters: PaginatedRequestParams | None
    ) -> ListToolsResult:
        from mcp_types import ListToolsResult

        return ListToolsResult(tools=[_described(each) for each in self._exposed.values()])

    async def call_tool(
        self, context: ServerRequestContext[_State], parameters: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        state = context.lifespan_context
        try:
            running = self._taken_up(state, parameters) or self._begun(context, parameters)
        except TreadleError as error:
            return _failed(ErrorInfo.of(error))
        try:
            question = await self._follow(context, running)
        except BaseException:
            # The request was cancelled, or its client is gone: nobody waits for the run.
            await running.stop()
            raise
        if question is not None:
            return self._asked(state, running, question, parameters)
        return _ended(running)

    def _begun(
        self, context: ServerRequestContext[_State], parameters: CallToolRequestParams
    ) -> Running:
        exposed = self._exposed.get(parameters.name)
        if exposed is None:
            raise ToolError("unknown_tool", f"there is no tool '{parameters.name[:100]}'")
        state = context.lifespan_context
        if len(state.running) >= MOST_RUNS:
            raise ToolError("too_many_runs", f"{MOST_RUNS} runs go on; try again", retryable=True)
        capabilities = context.session.client_capabilities
        running = Running(
            exposed,
            parameters.arguments or {},
            can_ask=capabilities is not None and capabilities.elicitation is not None,
            approval_seconds=self._approval_seconds,
            clock=self._clock,
        )
        state.running.add(running)
        state.group.create_task(running.drive()).add_done_callback(
            lambda _: state.running.discard(running)
        )
        return running

    def _taken_up(self, state: _State, parameters: CallToolRequestParams) -> Running | None:
        """The run that this request brings an answer for; None for a new call."""
        from mcp_types import ElicitResult

        if parameters.request_state is None:
            return None
        waiting = state.waiting.get(parameters.request_state)
        if waiting is None or waiting.call != _call(parameters):
            raise ToolError("unknown_request_state", "no run waits for this answer; call again")
        del state.waiting[parameters.request_state]
        waiting.expiry.cancel()
        answer = (parameters.input_responses or {}).get(_QUESTION)
        agreed = isinstance(answer, ElicitResult) and is_yes(answer)
        if not waiting.question.answer.done():
            waiting.question.answer.set_result(agreed)
        return waiting.running

    async def _follow(
        self, context: ServerRequestContext[_State], running: Running
    ) -> Question | None:
        """Tell the client of progress until the run ends; a question that it is to bring back."""
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        told = 0
        while (heard := await running.next()) is not None:
            if isinstance(heard, str):
                told += 1
                await context.session.report_progress(told, None, heard)
            elif context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                # Beside the following: a person takes time, and meanwhile steps go on.
                context.lifespan_context.group.create_task(self._elicit(context, heard))
            else:
                # Since 2026-07-28 a server asks nothing by itself: the question is an answer.
                return heard
        return None

    async def _elicit(self, context: ServerRequestContext[_State], question: Question) -> None:
        agreed = False
        try:
            async with asyncio.timeout(self._approval_seconds):
                answer = await context.session.elicit_form(
                    wording(question.request), SCHEMA, related_request_id=context.request_id
                )
            agreed = is_yes(answer)
        except Exception:  # noqa: BLE001, S110 - a server request: what is no answer is no yes
            pass
        finally:
            if not question.answer.done():
                question.answer.set_result(agreed)

    def _asked(
        self,
        state: _State,
        running: Running,
        question: Question,
        parameters: CallToolRequestParams,
    ) -> InputRequiredResult:
        """Hand the question to the client, which calls again with the answer."""
        from mcp_types import ElicitRequest, InputRequiredResult

        token = secrets.token_urlsafe(32)

        def expire() -> None:
            # Nobody came back: the question is answered, and the run with nobody waiting stops.
            state.waiting.pop(token, None)
            running.stream.cancel()

        expiry = asyncio.get_running_loop().call_later(self._approval_seconds, expire)
        state.waiting[token] = _Waiting(running, question, _call(parameters), expiry)
        return InputRequiredResult(
            input_requests={_QUESTION: ElicitRequest(params=form(question.request))},
            request_state=token,
        )


def _call(parameters: CallToolRequestParams) -> bytes:
    """What a call is about: an answer counts for the very same call only."""
    return canonical_json([parameters.name, parameters.arguments or {}])


def _described(exposed: Exposed) -> Tool:
    from mcp_types import Tool, ToolAnnotations

    return Tool(
        name=exposed.name,
        description=exposed.description,
        input_schema=dict(exposed.parameters),
        output_schema=_OUTPUT,
        annotations=ToolAnnotations(
            read_only_hint=exposed.effect.repeatable,
            destructive_hint=exposed.effect is Effect.IRREVERSIBLE,
            open_world_hint=True,
        ),
    )


def _ended(running: Running) -> CallToolResult:
    if running.failure is not None:
        error = running.failure
        if isinstance(error, TreadleError):
            return _failed(ErrorInfo.of(error))
        return _failed(ErrorInfo("internal_error", f"{type(error).__name__}: {error}"))
    assert running.result is not None
    return _result(running.result)


def _result(result: RunResult) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    if result.status == "waiting":
        return _failed(
            ErrorInfo(
                "approval_needed",
                f"calls with effects need approval, and this client can ask nobody; run "
                f"{result.run_id} waits",
            ),
            result,
        )
    if result.status != "succeeded":
        unknown = ErrorInfo("run_failed", f"the run ended {result.status}")
        return _failed(result.error or unknown, result)
    answer = result.answer
    text = answer if isinstance(answer, str) else compact_json(answer)
    return CallToolResult(
        content=[TextContent(text=text)],
        structured_content=_document(result, None),
    )


def _failed(error: ErrorInfo, result: RunResult | None = None) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    return CallToolResult(
        content=[TextContent(text=f"{error.code}: {error.message}")],
        structured_content=_document(result, error),
        is_error=True,
    )


def _document(result: RunResult | None, error: ErrorInfo | None) -> dict[str, JsonValue]:
    return {
        "run_id": None if result is None else result.run_id,
        "status": "failed" if result is None else result.status,
        "answer": None if result is None else result.answer,
        "error": None if error is None else {**error.as_json()},
    }
