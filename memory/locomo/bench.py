"""The bench: remember conversations, ask, and compare what is recalled with the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from treadle.core.embedder import Embedder
from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue
from treadle.memory.episode import Episode
from treadle.memory.kinds import Kind
from treadle.memory.locomo.dataset import Conversation, read_locomo
from treadle.memory.locomo.score import DEPTHS, Ranking, Scores, by_category, scores
from treadle.memory.namespace import Namespace

if TYPE_CHECKING:
    from treadle.memory.embedders import NamedEmbedder
    from treadle.memory.memory import Memory

_PLACES = 4
_MOST_ROUNDS = 10_000
_AT_ONCE = 200


async def run_locomo(
    path: str | Path,
    conversations: Sequence[int] | None = None,
    embedder: str | Embedder | NamedEmbedder | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> dict[str, JsonValue]:
    """Figures over the evidence turns of all questions but the adversarial ones.

    The turns go through `Memory.remember_many` into a store of their own, which is gone afterwards;
    each conversation has its namespace, each session is a thread. A question is asked the day after
    the last session. What is counted is single turns.

    conversations: places in the file, from 0; None for all. told: gets a line on each step.

    Raises InputError: `bad_locomo_file`, and `bad_conversations` for places that are not there.
    """
    from treadle.memory.memory import Memory

    chosen = _chosen(read_locomo(path), conversations)
    rankings = list[Ranking]()
    skipped = 0
    with TemporaryDirectory(prefix="treadle-locomo-") as folder:
        memory = Memory(f"sqlite:///{folder}/memory.db", embedder=embedder)
        try:
            for number, conversation in chosen:
                namespace = Namespace(f"locomo/{number}")
                await _remember(memory, namespace, conversation)
                rankings += await _ask(memory, namespace, conversation)
                skipped += conversation.skipped
                told(
                    f"{conversation.name or number}: {len(conversation.turns)} turns, "
                    f"{len(conversation.questions)} questions"
                )
        finally:
            await memory.aclose()
    return _report(rankings, skipped)


def _chosen(
    read: Sequence[Conversation], wanted: Sequence[int] | None
) -> list[tuple[int, Conversation]]:
    places = list(dict.fromkeys(range(len(read)) if wanted is None else wanted))
    if not places or not all(0 <= each < len(read) for each in places):
        raise InputError(
            "bad_conversations",
            f"the file has conversations 0 to {len(read) - 1}; name some of them",
        )
    return [(each, read[each]) for each in places]


async def _remember(memory: Memory, namespace: Namespace, conversation: Conversation) -> None:
    from treadle.memory.writing.draft import Draft

    drafts = [
        Draft(
            text=turn.content,
            actor=turn.speaker,
            source=conversation.name,
            thread=f"session {turn.session}",
            occurred_at=turn.time,
            idempotency_key=turn.id,
            metadata={"turn": turn.id},
        )
        for turn in conversation.turns
    ]
    for start in range(0, len(drafts), _AT_ONCE):
        await memory.remember_many(drafts[start : start + _AT_ONCE], namespace=namespace)
    for _ in range(_MOST_ROUNDS):
        if not await memory.work():
            break


async def _ask(memory: Memory, namespace: Namespace, conversation: Conversation) -> list[Ranking]:
    asked_at = max(turn.time for turn in conversation.turns) + timedelta(days=1)
    rankings = list[Ranking]()
    for question in conversation.questions:
        found = await memory.recall(
            question.text,
            k=max(DEPTHS),
            namespace=namespace,
            as_of=asked_at,
            kinds=(Kind.EPISODE,),
            note=False,
        )
        ids = [
            str(hit.item.metadata["turn"]) for hit in found.hits if isinstance(hit.item, Episode)
        ]
        rankings.append(Ranking(question, tuple(ids)))
    return rankings


def _report(rankings: Sequence[Ranking], skipped: int) -> dict[str, JsonValue]:
    over_all = scores(rankings)
    categories = by_category(rankings)
    multi_hop = categories.get("multi_hop")
    ranked: list[JsonValue] = [
        {"question": each.question.text, "ids": list(each.ids)} for each in rankings
    ]
    return {
        "recall": _recall(over_all),
        "all_at_10_multihop": None if multi_hop is None else round(multi_hop.all_at_10, _PLACES),
        "mrr": round(over_all.mrr, _PLACES),
        "by_category": {name: _of_category(each) for name, each in categories.items()},
        "questions": over_all.questions,
        "without_evidence": skipped,
        "ranked": ranked,
    }


def _of_category(found: Scores) -> dict[str, JsonValue]:
    return {
        "questions": found.questions,
        "recall": _recall(found),
        "all_at_10": round(found.all_at_10, _PLACES),
        "mrr": round(found.mrr, _PLACES),
    }


def _recall(found: Scores) -> dict[str, JsonValue]:
    return {str(depth): round(value, _PLACES) for depth, value in found.recall.items()}
