"""An episode: something that was said, read or done, as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from treadle.core.json_value import JsonValue
from treadle.core.taint import CLEAN, Labels
from treadle.memory.kinds import Origin


@dataclass(frozen=True, slots=True)
class Episode:
    """One entry of what memory was told, unchanged.

    id: stays the same through export and import.
    actor: who said or did it, a name; may be empty.
    source: where it was: a file, a channel, a run; may be empty.
    thread: the conversation that it belongs to; what came before it there is its context.
    occurred_at: when it happened in the world.
    recorded_at: when it was remembered; never goes back within a namespace.
    previous: the id of what came before it in its thread.
    taint: the untrusted sources that it has come from.
    """

    id: str
    text: str
    actor: str
    source: str
    origin: Origin
    thread: str
    occurred_at: datetime
    recorded_at: datetime
    previous: str | None = None
    taint: Labels = CLEAN
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a call of `remember`.

    outcome: `new`; `duplicate` where the same is there already (that episode is given), by its
        idempotency key, its text or nearly its text; `echo` where it is what was recalled before,
        so that nothing was kept.
    """

    episode: Episode
    outcome: Literal["new", "duplicate", "echo"]
