"""Code mode of an agent: its model writes snippets that call the tools, not single calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType

from treadle.agents.agent_calls import MAX_RESULT, AgentCalls
from treadle.core.chat import FunctionSpec, Message, ToolCall
from treadle.core.errors import ErrorInfo, ToolError
from treadle.core.events import ToolCalled
from treadle.core.payload import Payload
from treadle.core.program import current_program
from treadle.core.taint import CallTaint, listed
from treadle.tools import ToolRegistry
from treadle.tools.codemode import CodeMode, CodeModeLimits, SnippetOutcome, stubs_of

RUN_CODE = "run_code"
"""The one tool that the model of an agent in code mode is given."""

_DESCRIPTION = """\
Run a snippet of Python that calls functions, and get back the value of its last expression.
Await every call; await several at once with asyncio.gather. A call that fails raises an exception.
There is no other input or output (no files, no network, no packages), no variable survives, and the
value must be JSON. Keep what you need and return it; do not return all that you have read.

The functions:
{stubs}"""


class CodeModeCalls:
    """What AgentCalls is to an agent, for one in code mode.

    The calls that a snippet makes go through `calls`, like any other call of an agent: the same
    registry, policy, approval, budget, limits and journal.

    taint: the labels of what the model has read, as `calls` keeps them.
    """

    def __init__(
        self,
        tools: ToolRegistry,
        calls: AgentCalls,
        taint: CallTaint,
        limits: CodeModeLimits | None = None,
    ) -> None:
        stubs = stubs_of(tools.values())
        self.spec = FunctionSpec(
            RUN_CODE,
            _DESCRIPTION.format(stubs=stubs.text),
            {
                "type": "object",
                "properties": {"code": {"type": "string", "description": "the snippet"}},
                "required": ["code"],
                "additionalProperties": False,
            },
        )
        self._mode = CodeMode(stubs, calls.value, limits=limits)
        self._taint = taint
        self._program = current_program.get()

    async def make(self, calls: Sequence[ToolCall]) -> list[Message]:
        """The outcomes of `calls`, one after the other: each may depend on what the last did.

        Raises what `AgentCalls.make` raises, and ToolError (`code_mode_failed`).
        """
        return [await self._one(call) for call in calls]

    async def _one(self, call: ToolCall) -> Message:
        if self._program is not None:
            self._program.budget.reserve_step()
        try:
            code = _code_of(call)
        except ToolError as error:
            return self._message(call, f"error: {ErrorInfo.of(error)}")
        outcome = await self._mode.run(code)
        self._record(code, outcome)
        text = outcome.for_model()
        if len(text) > MAX_RESULT:
            text = f"{text[:MAX_RESULT]}\n(cut: {len(text):,} characters in all)"
        return self._message(call, text)

    def _message(self, call: ToolCall, text: str) -> Message:
        # A snippet mixes what it reads: whatever any of its calls has read, its result has.
        return Message("tool", text, tool_call_id=call.id, taint=listed(self._taint.labels))

    def _record(self, code: str, outcome: SnippetOutcome) -> None:
        if self._program is None:
            return
        output = Payload({"value": outcome.value, "printed": outcome.printed})
        self._program.record(
            ToolCalled(
                step_id=self._program.step_id,
                tool=RUN_CODE,
                arguments=Payload({"code": code}),
                output=output if outcome.error is None else None,
                error=outcome.error,
                taint=listed(self._taint.labels),
            )
        )

    async def __aenter__(self) -> CodeModeCalls:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._mode.__aexit__(kind, error, traceback)


def _code_of(call: ToolCall) -> str:
    if call.name != RUN_CODE:
        raise ToolError(
            "unknown_tool", f"there is no tool '{call.name[:100]}': call functions in {RUN_CODE}"
        )
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError("invalid_arguments", f"'{RUN_CODE}': not JSON: {error}") from None
    code = arguments.get("code") if isinstance(arguments, dict) else None
    if not isinstance(code, str):
        raise ToolError("invalid_arguments", f"'{RUN_CODE}': give {{'code': '...'}}")
    return code
