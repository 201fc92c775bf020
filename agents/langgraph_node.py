"""A Runtime as a node of anybody's LangGraph graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from treadle.agents.message_labels import labelled, labels_in
from treadle.core.context_value import set_for
from treadle.core.errors import InputError, RunError
from treadle.core.json_value import as_text
from treadle.core.taint import CallTaint, Labels, current_taint, listed
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

    Labels of untrusted sources (see `treadle.core.taint`) come with the messages, whoever wrote the
    last one may have read them all, and go with the one that is written, in
    `additional_kwargs["treadle_taint"]`.

    task, answer: the keys, where yours are called differently.
    taint: the key of a list of labels in the state: those of the task, to which those of the answer
        are added; None for a state without one.

    Raises InputError (`no_task`) for a state without a task, and RunError (`run_failed`,
    `run_cancelled`, `run_waiting`) for a run that gives no answer: LangGraph's own retry and error
    handling then apply.
    """

    def __init__(
        self, runtime: Runs, *, task: str = "task", answer: str = "answer", taint: str | None = None
    ) -> None:
        self._runtime = runtime
        self._task_key = task
        self._answer_key = answer
        self._taint_key = taint

    # Any: a graph may have a TypedDict, a dataclass or a model as its state.
    async def __call__(self, state: Any) -> dict[str, Any]:
        task = _get(state, self._task_key)
        messages = _get(state, "messages") or []
        from_messages = not task and bool(messages)
        if from_messages:
            task = _text_of(messages[-1])
        if not isinstance(task, str) or not task:
            raise InputError("no_task", f"the state has neither '{self._task_key}' nor messages")
        known = self._known_labels(state)
        read = known.union(*map(labels_in, messages))
        around = current_taint.get()
        inside = CallTaint(read if around is None else read | around.labels)
        # Whoever decides on the steps of the run is told what its task was made from.
        with set_for(current_taint, inside):
            result = await self._runtime.run(task)
        if around is not None:
            around.add(result.taint)
        if result.status != "succeeded":
            reason = result.error or "no reason given"
            raise RunError(f"run_{result.status}", f"the run {result.run_id}: {reason}")
        update: dict[str, Any] = {}
        if self._taint_key is not None:
            update[self._taint_key] = [*listed(known.union(result.taint))]
        if from_messages:
            from langchain_core.messages import AIMessage

            update["messages"] = [AIMessage(as_text(result.answer), **labelled(result.taint))]
            if _get(state, self._answer_key) is None:
                return update
        update[self._answer_key] = result.answer
        return update

    def _known_labels(self, state: Any) -> Labels:
        """Those that the state names."""
        found = None if self._taint_key is None else _get(state, self._taint_key)
        return frozenset(str(each) for each in found or ())


def _get(state: Any, key: str) -> Any:
    return state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)


def _text_of(message: object) -> object:
    if isinstance(message, Mapping):
        return message.get("content")
    if isinstance(message, tuple):
        return message[-1]
    return getattr(message, "content", None)
