"""A Runtime as a node of anybody's LangGraph graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from treadle.core.errors import InputError, RunError
from treadle.core.json_value import as_text
from treadle.executor import RunResult


class Runs(Protocol):
    """What a node needs of a Runtime."""

    async def run(self, task: str) -> RunResult:
        """Run `task` to its end."""
        ...


class RuntimeNode:
    """`graph.add_node("work", runtime.as_langgraph_node())`.

    Reads the task from the state's key `task`, or, where the state has `messages`, from the last
    one; writes the answer to `answer` and, where it read messages, appends an AI message.

    task, answer: the keys, where yours are called differently.

    Raises InputError (`no_task`) for a state without a task, and RunError (`run_failed`,
    `run_cancelled`, `run_waiting`) for a run that gives no answer: LangGraph's own retry and error
    handling then apply.
    """

    def __init__(self, runtime: Runs, *, task: str = "task", answer: str = "answer") -> None:
        self._runtime = runtime
        self._task_key = task
        self._answer_key = answer

    # Any: a graph may have a TypedDict, a dataclass or a model as its state.
    async def __call__(self, state: Any) -> dict[str, Any]:
        task = _get(state, self._task_key)
        messages = _get(state, "messages") or []
        from_messages = not task and bool(messages)
        if from_messages:
            task = _text_of(messages[-1])
        if not isinstance(task, str) or not task:
            raise InputError("no_task", f"the state has neither '{self._task_key}' nor messages")
        result = await self._runtime.run(task)
        if result.status != "succeeded":
            reason = result.error or "no reason given"
            raise RunError(f"run_{result.status}", f"the run {result.run_id}: {reason}")
        update: dict[str, Any] = {}
        if from_messages:
            from langchain_core.messages import AIMessage

            update["messages"] = [AIMessage(as_text(result.answer))]
            if _get(state, self._answer_key) is None:
                return update
        update[self._answer_key] = result.answer
        return update


def _get(state: Any, key: str) -> Any:
    return state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)


def _text_of(message: object) -> object:
    if isinstance(message, Mapping):
        return message.get("content")
    if isinstance(message, tuple):
        return message[-1]
    return getattr(message, "content", None)
