"""The memory of a chat: what is recalled for a turn, and what a turn leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from treadle.cli.harmless import one_line
from treadle.core.errors import TreadleError
from treadle.core.json_value import JsonValue, as_text
from treadle.core.remembered import remembered_items
from treadle.core.taint import listed

if TYPE_CHECKING:
    from treadle.cli.lent_memory import LentMemory
    from treadle.core.events import MemoryRecalled
    from treadle.executor.result import RunResult, StepResult
    from treadle.memory.hit import Recall
    from treadle.memory.learning import Concepts, Distiller, Procedures
    from treadle.memory.memory import Memory
    from treadle.memory.namespace import Namespace

USER = "user"
ASSISTANT = "assistant"

MOST_ANSWER = 20_000
"""Characters of an answer that are remembered: what is longer stands in the run."""

LAST_SECONDS = 5.0
"""What leaving waits for what follows from the turns; the rest stays for the next session."""

_LONGEST = 300


class ChatMemory:
    """Gives the turns of a conversation what memory has, and keeps what was said.

    thread: the conversation, which the turns belong to. What was said in it is in its history
    already, and not recalled for it.

    In a block, what follows from a turn (facts, vectors) is worked out in the background.
    """

    def __init__(self, lent: LentMemory, thread: Callable[[], str]) -> None:
        self._lent = lent
        self._thread = thread
        self._due = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stack = AsyncExitStack()
        self.recalled: tuple[dict[str, JsonValue], ...] = ()
        """What was recalled for the last turn."""
        self.failure: TreadleError | None = None
        """Why the work in the background fails, where it does."""

    # ---- what a Runtime asks of a memory -------------------------------------------------------

    @property
    def memory(self) -> Memory:
        """All of it. Raises ConfigError where it cannot be used."""
        return self._lent.get()

    @property
    def namespace(self) -> Namespace:
        """The part of memory that the chat uses."""
        return self.memory.namespace

    @property
    def concepts(self) -> Concepts:
        """What runs taught."""
        return self.memory.concepts

    @property
    def procedures(self) -> Procedures:
        """Plans that worked."""
        return self.memory.procedures

    @property
    def distiller(self) -> Distiller:
        """Learns from the turns."""
        return self.memory.distiller

    async def recall(self, query: str, k: int = 8, *, budget_tokens: int | None = None) -> Recall:
        """What bears on `query` and is not in this conversation already."""
        from treadle.memory.hit import Recall

        found = await self.memory.recall(query, 2 * k, budget_tokens=budget_tokens)
        here = self._thread()
        hits = tuple(hit for hit in found.hits if getattr(hit.item, "thread", "") != here)
        return Recall(hits[:k], found.reason, found.tokens)

    # ---- what the conversation does with it ----------------------------------------------------

    def heard(self, event: MemoryRecalled) -> None:
        """A turn was given what memory has on it."""
        shown = event.text
        text = "" if shown is None or shown.erased else str(shown.value)
        self.recalled = tuple(remembered_items(text))

    async def keep(self, said: str, result: RunResult, *, stand_in: bool) -> None:
        """Remember a turn that has ended: what the person said, and the answer.

        stand_in: whether nothing but the offline model has answered: of what it says about itself
            nothing is kept.

        Raises InputError and RunError as `Memory.remember` does.
        """
        from treadle.memory.kinds import Origin
        from treadle.memory.writing.draft import Draft

        if any(step.tool == "forget" for step in _begun(result)):
            # What was asked to be forgotten stands in the words of the turn, and one that failed
            # may have erased the rows.
            return
        drafts = []
        thread = self._thread()
        if not _kept_by_tool(said, result):
            drafts.append(Draft(said, USER, "chat", Origin.USER, thread))
        answer = as_text(result.answer)[:MOST_ANSWER].strip()
        if result.status == "succeeded" and answer and not (stand_in and not _told(result)):
            drafts.append(
                Draft(
                    answer,
                    ASSISTANT,
                    "chat",
                    Origin.ASSISTANT,
                    thread,
                    taint=frozenset(result.taint),
                )
            )
        if drafts:
            await self.memory.remember_many(drafts)
            self._due.set()

    async def remember(self, text: str) -> str:
        """Keep a note; what became of it: `new`, `duplicate` or `echo`."""
        kept = await self.memory.remember(text, actor=USER, source="chat")
        self._due.set()
        return kept.outcome

    # ---- the work in the background ------------------------------------------------------------

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        task = group.create_task(self._work())
        self._stack.callback(task.cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Work that is cut off stays leased for minutes: it is let come to its end.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), LAST_SECONDS)
        await self._stack.aclose()

    async def _work(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            self._idle.clear()
            try:
                await self.memory.work()
            except TreadleError as error:
                # Nothing is lost: it stays in the outbox, and the next turn tries again.
                self.failure = error
            finally:
                self._idle.set()


def recalled_lines(items: tuple[dict[str, JsonValue], ...]) -> list[str]:
    """What was recalled for a turn, one line each."""
    lines = []
    for item in items:
        kind = str(item.get("kind", ""))
        said = item.get("text") or item.get("body") or item.get("task") or ""
        when = str(item.get("when") or item.get("from") or "")[:10]
        name = str(item.get("by") or item.get("name") or "")
        parts = [kind.replace("_", " "), when, name and f"{one_line(name, 60)}:"]
        before = " ".join(part for part in parts if part)
        lines.append(f"  {before} {one_line(as_text(said), _LONGEST)}")
    return lines


def warned(event: MemoryRecalled) -> str:
    """Where what was recalled is from, if not all of it is trusted."""
    return f" (holds what came from {', '.join(listed(event.taint))})" if event.taint else ""


def _begun(result: RunResult) -> list[StepResult]:
    """The steps that have done something, or may have."""
    return [step for step in result.steps if step.status in ("succeeded", "failed")]


def _told(result: RunResult) -> bool:
    """Whether the answer tells of something that was done."""
    return any(step.tool not in ("remember", "recall", "recall_about") for step in result.steps)


def _kept_by_tool(said: str, result: RunResult) -> bool:
    """Whether a step has remembered what the person said, in the same words."""
    for step in result.steps:
        if step.tool == "remember" and step.status == "succeeded" and isinstance(step.output, dict):
            text = str(step.output.get("text") or "").strip()
            if text and text in said:
                return True
    return False
