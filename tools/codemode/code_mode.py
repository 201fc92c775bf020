"""`CodeMode`: runs snippets that call tools."""

from __future__ import annotations

import asyncio
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from treadle.core.errors import ErrorInfo
from treadle.tools.codemode.interpreter import Interpreter
from treadle.tools.codemode.json_edge import json_of
from treadle.tools.codemode.limits import CodeModeLimits
from treadle.tools.codemode.outcome import SnippetOutcome
from treadle.tools.codemode.snippet import CallTool, Snippet, SnippetLimit
from treadle.tools.codemode.stubs import Stubs

if TYPE_CHECKING:
    from pydantic_monty import CollectString

_MOST_MESSAGE = 4000


class CodeMode:
    """Runs snippets in an interpreter of a subset of Python that denies by default.

    The interpreter (pydantic-monty) has no files, no network, no environment, no clock, and no
    modules but those written for it; it lives in a process of its own with an empty environment. It
    is for glue between tools; code that needs the whole of Python belongs in a Sandbox.

    Each snippet starts from nothing; no variable survives. Use it as a context manager, in one
    event loop; the interpreter starts with the first snippet (some 10 ms) and ends with the block.

    stubs: the tools that a snippet can call, and nothing else. call: where those calls go.
    workers: snippets that run at once; the others wait.
    """

    def __init__(
        self,
        stubs: Stubs,
        call: CallTool,
        *,
        limits: CodeModeLimits | None = None,
        workers: int = 2,
    ) -> None:
        self._stubs = stubs
        self._call = call
        self._limits = limits or CodeModeLimits()
        self._interpreter = Interpreter(stubs.text, self._limits, workers)

    async def run(self, code: str) -> SnippetOutcome:
        """Run `code`; its own failure is an outcome, not an exception.

        It is checked against the types of the tools first: one that does not fit calls nothing.

        Raises BudgetExceeded, RunError and whatever else `call` raises that is no failure of one
        call, and ToolError (`code_mode_failed`) where the interpreter itself cannot be had.
        """
        from pydantic_monty import CollectString, MontyCrashedError, MontyError

        if len(code) > self._limits.code_characters:
            limit = f"the snippet has more than {self._limits.code_characters:,} characters"
            return SnippetOutcome(error=ErrorInfo("snippet_limit", limit))
        started = monotonic()
        printed = CollectString(self._limits.output_bytes)
        snippet = Snippet(self._stubs, self._call, self._limits)
        value: object = None
        failure: ErrorInfo | None = None
        deadline = asyncio.timeout(self._limits.seconds)
        try:
            async with deadline, self._interpreter.session() as turns:
                value = await snippet.run(turns, code, printed)
            value = json_of(value, self._limits.result_characters)
        except SnippetLimit as error:
            failure = ErrorInfo("snippet_limit", str(error))
        except TimeoutError:
            if not deadline.expired():
                raise  # that of a call, or of the pool
            failure = ErrorInfo("snippet_limit", f"it took more than {self._limits.seconds:g} s")
        except ValueError as error:
            failure = ErrorInfo("snippet_error", f"the result cannot be returned: {error}")
        except MontyCrashedError as error:
            failure = ErrorInfo("snippet_limit", f"the interpreter was ended: {error}")
        except MontyError as error:
            failure = _explained(error)
        if failure is None and snippet.never_awaited:
            names = ", ".join(dict.fromkeys(snippet.never_awaited))
            failure = ErrorInfo(
                "snippet_error", f"{names}: called without await, so nothing was done; await it"
            )
        return SnippetOutcome(
            None if failure is not None else value,  # type: ignore[arg-type]
            _cut(printed, self._limits.output_bytes),
            failure,
            snippet.calls,
            monotonic() - started,
        )

    async def __aenter__(self) -> CodeMode:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._interpreter.close()


def _explained(error: Exception) -> ErrorInfo:
    """What the model is told of an exception that ended its snippet."""
    from pydantic_monty import MontyRuntimeError, MontySyntaxError, MontyTypingError

    if isinstance(error, MontyTypingError):
        return ErrorInfo("snippet_error", f"nothing was run: {error.display()[:_MOST_MESSAGE]}")
    if isinstance(error, MontyRuntimeError | MontySyntaxError):
        code = "snippet_limit" if _is_limit(error) else "snippet_error"
        return ErrorInfo(code, error.display("traceback")[-_MOST_MESSAGE:].strip())
    return ErrorInfo("snippet_error", str(error)[:_MOST_MESSAGE])


def _is_limit(error: Exception) -> bool:
    from pydantic_monty import MontyError

    inner = error.exception() if isinstance(error, MontyError) else error
    text = str(inner)
    return isinstance(inner, MemoryError | RecursionError) or (
        isinstance(inner, TimeoutError) and "limit exceeded" in text
    )


def _cut(printed: CollectString, most: int) -> str:
    text = printed.output
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
