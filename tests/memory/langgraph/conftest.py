"""A store and a checkpointer on each database, and what checkpoints are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore
from treadle.testing import FakeClock

SECONDS = 15
"""Generous: means that it does not hang."""


@pytest.fixture
def items(database_url: str, clock: FakeClock) -> Iterator[TreadleStore]:
    """An empty store whose clock tests move."""
    with TreadleStore(database_url, clock=clock) as opened:
        yield opened


@pytest.fixture
def saver(database_url: str, clock: FakeClock) -> Iterator[TreadleCheckpointer]:
    """An empty checkpointer whose clock tests move."""
    with TreadleCheckpointer(database_url, clock=clock) as opened:
        yield opened


def at(thread_id: object = "t", checkpoint_id: str | None = None, namespace: str = "") -> Any:
    """A config."""
    named = {} if checkpoint_id is None else {"checkpoint_id": checkpoint_id}
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, **named}}


def made(step: int = 0, **values: Any) -> Checkpoint:
    """A checkpoint with these values, each of a version of this step."""
    checkpoint = empty_checkpoint()
    checkpoint["id"] = str(uuid6(clock_seq=step))
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, str(step + 1))
    return checkpoint


def keep(saver: Any, config: Any, step: int = 0, **values: Any) -> Any:
    """Put such a checkpoint; its config."""
    checkpoint = made(step, **values)
    return saver.put(config, checkpoint, {"source": "loop", "step": step, "parents": {}},
                     checkpoint["channel_versions"])  # fmt: skip
