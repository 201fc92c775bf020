"""Memory as tools: what a plan keeps, finds again, and forgets."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from treadle.core.context_value import set_for
from treadle.core.errors import InputError, RunError, ToolError
from treadle.core.program import current_program
from treadle.core.taint import CallTaint, current_taint, has_read
from treadle.tools import Effect, Tool, tool

if TYPE_CHECKING:
    from treadle.memory.erasure.receipt import Receipt
    from treadle.memory.fact import Fact
    from treadle.memory.hit import Hit
    from treadle.memory.memory import Memory

MOST_HITS = 50
MOST_FACTS = 50
MOST_SAID = 10
"""Facts, and episodes, that one call tells of somebody."""

PENDING = "erasure_pending"
"""The code of an erasure whose rows are gone and whose files are not clean yet."""

SELF = "user"
"""Whom memory knows as the one who says "I"."""

NOTHING = "nothing relevant is remembered"

_QUESTION = re.compile(
    r"\s*(?:(?:what|who|where|when|which|how|why)"
    r"(?:'s| (?:is|are|was|were|do|does|did|has|have|can|many|much|old))|"
    r"(?:do|did|can|could) you)\b[^.!\n]{0,200}$",
    re.IGNORECASE,
)
_MEANT_ME = frozenset(("me", "myself", "i", "the user"))


def memory_tools(memory: Callable[[], Memory], *, forgets: bool = True) -> list[Tool]:
    """`remember`, `recall`, `recall_about` and `forget`, on the namespace of a memory.

    What is kept has the labels of what it was made from, and what is found carries its own.

    memory: gives it when it is first needed, so that nothing is opened for plans without memory.
    forgets: whether there is a tool that erases for good; it is irreversible, so that it asks.
    """
    made = [_remember(memory), *_readers(memory)]
    return [*made, _forget(memory)] if forgets else made


def tools_of(memory: object, taken: Collection[str] = ()) -> list[Tool]:
    """The tools of a whole Memory, but for names that others have; none of a part of one."""
    # Whoever has a Memory has loaded it; nobody else is to wait for that.
    if "treadle.memory.memory" not in sys.modules:
        return []
    from treadle.memory.memory import Memory

    if not isinstance(memory, Memory):
        return []
    return [each for each in memory_tools(lambda: memory) if each.name not in taken]


def _remember(memory: Callable[[], Memory]) -> Tool:
    async def take_back(result: dict[str, Any], text: str, actor: str = "") -> None:
        if result["outcome"] != "new":
            return
        with _coded(), _outside_of_runs():
            try:
                await memory().forget(episodes=[result["id"]], reason="taken back")
            except RunError as error:
                # The row is gone; cleaning the file is for whoever forgets next.
                if error.code != PENDING:
                    raise

    @tool(effect=Effect.WRITE, undo=take_back, idempotent=True, timeout=60)
    async def remember(text: str, actor: str = "", idempotency_key: str = "") -> dict[str, Any]:
        """Keep a text in memory, for this and for later conversations.

        Args:
            text: what is to be remembered, in words that are clear by themselves.
            actor: who said it; empty for the user.
        """
        with _coded():
            kept = await memory().remember(
                text,
                actor=actor,
                source="remember",
                idempotency_key=idempotency_key or None,
            )
        return {"id": kept.episode.id, "outcome": kept.outcome, "text": kept.episode.text}

    return remember


def _readers(memory: Callable[[], Memory]) -> list[Tool]:
    @tool(effect=Effect.READ, timeout=60)
    async def recall(query: str, limit: int = 5) -> dict[str, Any]:
        """Find what bears on a query in memory, the best first; or nothing.

        Args:
            query: in the words of what is looked for.
            limit: how many at most.
        """
        wanted = max(1, min(limit, MOST_HITS))
        with _coded(), _looking():
            # Among the best there may be earlier askings of the same: they hold no answer.
            found = await memory().recall(query, 2 * wanted)
        hits = [hit for hit in found.hits if not _asks(hit)][:wanted]
        has_read(label for hit in hits for label in hit.taint)
        return {
            "found": len(hits),
            "text": _listed(_told(hit) for hit in hits) or NOTHING,
            "hits": [{"id": hit.id, "text": hit.text, "when": _when(hit)} for hit in hits],
        }

    @tool(effect=Effect.READ, timeout=60)
    async def recall_about(subject: str) -> dict[str, Any]:
        """Tell all that memory holds to be so of a person or a thing now.

        Args:
            subject: a name; `user` is whoever talks here.
        """
        name = SELF if subject.strip().lower() in _MEANT_ME else subject
        with _coded(), _looking():
            facts, hits = await _about(memory(), name)
        has_read(label for fact in facts for label in fact.taint)
        has_read(label for hit in hits for label in hit.taint)
        lines = [*(each.text for each in facts), *(_told(hit) for hit in hits)]
        return {
            "subject": name,
            "found": len(lines),
            "text": _listed(dict.fromkeys(lines)) or NOTHING,
        }

    return [recall, recall_about]


async def _about(memory: Memory, name: str) -> tuple[list[Fact], list[Hit]]:
    """What is so of `name` now, and what was said of it; of the user the facts alone, as all that
    was said here is theirs.
    """
    from treadle.memory.kinds import Kind

    # What was said a moment ago is to be among it.
    await memory.work()
    told = await memory.facts.facts(name, namespace=memory.namespace)
    # What is so of "Ada's dog", or of Ada as the object, is about Ada, too.
    every = await memory.facts.facts(namespace=memory.namespace)
    named = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    others = [each for each in every if named.search(f"{each.subject} {each.object}")]
    facts = {each.id: each for each in (*told, *others)[-MOST_FACTS:]}
    if name == SELF:
        return list(facts.values()), []
    said = await memory.recall(name, MOST_SAID, kinds=(Kind.EPISODE,))
    return list(facts.values()), [hit for hit in said.hits if not _asks(hit)]


def _forget(memory: Callable[[], Memory]) -> Tool:
    @tool(effect=Effect.IRREVERSIBLE, timeout=300)
    async def forget(subject: str) -> dict[str, Any]:
        """Erase for good all that memory has of a person or a thing. There is no way back.

        Args:
            subject: a name; all that says it goes.
        """
        with _coded():
            try:
                receipt = await memory().forget(subject=subject)
            except RunError as error:
                if error.code != PENDING:
                    raise
                # It is done but for the files: as a failure it would be told, and kept, anew.
                return _pending(error)
        return _receipt(receipt)

    return forget


def _pending(error: RunError) -> dict[str, Any]:
    return {
        "rows": None,
        "proved": False,
        "text": "forgotten; the files are not clean of it yet, as others use them",
        "notes": [f"{error.code}: forgetting anything, later, finishes it"],
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    """Without the name: it would stand in the record of the run, whence it has just gone."""
    rows = receipt.rows
    proved = "and no trace of it is left" if receipt.proved else "but traces of it are left"
    return {
        "rows": rows,
        "proved": receipt.proved,
        "text": f"forgotten: {rows} rows are gone, {proved}" if rows else "there was nothing of it",
        "notes": list(receipt.notes),
    }


@contextmanager
def _outside_of_runs() -> Iterator[None]:
    """Within the block, what is erased is not what a run was asked to forget."""
    token = current_program.set(None)
    try:
        yield
    finally:
        current_program.reset(token)


@contextmanager
def _looking() -> Iterator[None]:
    """Within the block, more is read than is told: the call gets the labels of what is told."""
    with set_for(current_taint, CallTaint()):
        yield


@contextmanager
def _coded() -> Iterator[None]:
    """Within the block, what memory refuses is an error of the tool, with the same code."""
    try:
        yield
    except (InputError, RunError) as error:
        raise ToolError(error.code, error.message) from error


def _asks(hit: Hit) -> bool:
    """Whether it is a question, which holds no answer."""
    return hit.text.rstrip().endswith("?") or _QUESTION.match(hit.text) is not None


def _told(hit: Hit) -> str:
    return f"{hit.text.strip()} ({_when(hit)[:10]})" if _when(hit) else hit.text.strip()


def _when(hit: Hit) -> str:
    from treadle.memory.episode import Episode

    moment = hit.item.occurred_at if isinstance(hit.item, Episode) else hit.item.valid_from
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def _listed(lines: Iterable[str]) -> str:
    told = list(lines)
    return told[0] if len(told) == 1 else "\n".join(f"- {each}" for each in told)
