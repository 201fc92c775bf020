"""What somebody wants to be remembered, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue, storable_json
from treadle.core.taint import CLEAN, Labels, listed
from treadle.memory.kinds import Origin
from treadle.memory.times import seconds
from treadle.memory.writing.accepted import (
    accepted_metadata,
    accepted_name,
    accepted_origin,
    accepted_text,
    check_labels,
)

_SPOKEN = (Origin.USER, Origin.ASSISTANT)


@dataclass(frozen=True, slots=True)
class Draft:
    """An episode that is to be; what the fields mean, `Episode` says.

    occurred_at: None for now. A date in the future is a plan, and allowed.
    idempotency_key: the same key with the same text is the same episode, however often it is sent.
    previous: the id of what came before; None for the last one of the thread.
    """

    text: str
    actor: str = ""
    source: str = ""
    origin: Origin = Origin.USER
    thread: str = ""
    occurred_at: datetime | float | str | None = None
    idempotency_key: str | None = None
    previous: str | None = None
    metadata: Mapping[str, JsonValue] | None = None
    taint: Labels = CLEAN

    @property
    def is_turn(self) -> bool:
        """Whether it is what somebody says in a conversation, where "yes" twice is two answers."""
        return bool(self.thread) and self.origin in _SPOKEN


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """A draft whose parts can be stored. occurred_at: None for now."""

    draft: Draft
    occurred_at: float | None
    metadata: str
    taint: str

    @classmethod
    def of(cls, draft: Draft, labels: Labels = CLEAN) -> CheckedDraft:
        """`draft` with `labels` beside its own.

        Raises InputError, with the codes of `Episodes.remember`.
        """
        accepted_text(draft.text)
        accepted_name(draft.actor, "the actor")
        accepted_name(draft.source, "the source")
        accepted_name(draft.thread, "the thread")
        if draft.idempotency_key is not None:
            accepted_name(draft.idempotency_key, "the idempotency key")
            if not draft.idempotency_key:
                raise InputError("bad_text", "the idempotency key is empty: leave it out instead")
        if draft.previous is not None:
            accepted_name(draft.previous, "the id of what came before")
        check_labels(draft.taint)
        labels = labels.union(draft.taint)
        return cls(
            draft=replace(draft, origin=accepted_origin(draft.origin), taint=labels),
            occurred_at=seconds(draft.occurred_at),
            metadata=accepted_metadata(draft.metadata),
            taint=storable_json(listed(labels)),
        )
