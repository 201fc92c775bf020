"""What a checkpoint is in rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Packed: TypeAlias = tuple[str, bytes]
"""What a serializer has made of an object."""

Place: TypeAlias = tuple[str, str]
"""(thread id, namespace)."""

EMPTY = "empty"
"""The kind of a version at which a channel had no value."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A row of `checkpoint`; channels: of each channel the version, as a key."""

    place: Place
    checkpoint_id: str
    parent_id: str | None
    body: Packed
    metadata: Packed
    channels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """A row of `checkpoint_write`."""

    task_id: str
    position: int
    task_path: str
    channel: str
    value: Packed


@dataclass(slots=True)
class WholeCheckpoint:
    """A checkpoint with the values of its channels, and what was written since, in order."""

    row: StoredCheckpoint
    values: dict[str, Packed] = field(default_factory=dict)
    writes: list[StoredWrite] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which checkpoints to list; None: any.

    before: only ids below it. after: where the previous page ended.
    """

    thread_id: str | None = None
    namespace: str | None = None
    checkpoint_id: str | None = None
    before: str | None = None
    after: tuple[str, Place] | None = None


def version_key(version: object) -> str:
    """A version of a channel as a key: equal for equal versions."""
    if isinstance(version, float) and version.is_integer():
        version = int(version)
    return json.dumps(version)
