"""Between LangGraph's checkpoints and our rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from treadle.core.errors import InputError, RunError, TreadleError
from treadle.memory.langgraph.delta import ChannelHistory
from treadle.memory.langgraph.keys import check_length, key_text
from treadle.memory.langgraph.stored_checkpoint import (
    EMPTY,
    Packed,
    Place,
    StoredCheckpoint,
    StoredWrite,
    WholeCheckpoint,
    version_key,
)


def thread_name(value: object) -> str:
    """The id of a thread as it is kept. Raises InputError (`bad_key`)."""
    text = key_text(value, "the id of a thread")
    check_length(text)
    return text


def place_of(config: RunnableConfig) -> Place:
    """Where `config` points to. Raises InputError (`bad_config`, `bad_key`)."""
    configurable = config.get("configurable") or {}
    if configurable.get("thread_id") is None:
        raise InputError(
            "bad_config",
            'a checkpoint belongs to a thread: pass {"configurable": {"thread_id": ...}}',
        )
    namespace = key_text(configurable.get("checkpoint_ns") or "", "the namespace of a checkpoint")
    return thread_name(configurable["thread_id"]), namespace


def checkpoint_id_of(config: RunnableConfig | None) -> str | None:
    """The checkpoint that `config` names, if it names one."""
    named = ((config or {}).get("configurable") or {}).get("checkpoint_id")
    return key_text(named, "the id of a checkpoint") if named else None


def config_of(place: Place, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": place[0],
            "checkpoint_ns": place[1],
            "checkpoint_id": checkpoint_id,
        }
    }


class CheckpointCodec:
    """Reads and writes with one serializer.

    Reading raises RunError: `checkpoint_damaged` for what cannot be read, and what the serializer
    raises. Writing raises InputError: `bad_checkpoint` for what cannot be written, `bad_key`.
    """

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde

    def encode(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> tuple[StoredCheckpoint, dict[tuple[str, str], Packed], str | None]:
        """The row, the new values, and the run that has made it."""
        place = place_of(config)
        values = checkpoint["channel_values"]
        body = {key: value for key, value in checkpoint.items() if key != "channel_values"}
        checkpoint_id = key_text(checkpoint["id"], "the id of a checkpoint")
        channels = {
            _channel(name): version_key(version)
            for name, version in checkpoint["channel_versions"].items()
        }
        new = {
            (_channel(name), version_key(version)): (
                self._pack(values[name], f"channel {name!r}") if name in values else (EMPTY, b"")
            )
            for name, version in new_versions.items()
        }
        for name, version in new:
            check_length(*place, name, version)
        check_length(*place, checkpoint_id)
        described = get_checkpoint_metadata(config, metadata)
        run_id = described.get("run_id")
        stored = StoredCheckpoint(
            place,
            checkpoint_id,
            checkpoint_id_of(config),
            self._pack(body, "the checkpoint"),
            self._pack(described, "its metadata"),
            channels,
        )
        return stored, new, key_text(run_id, "the id of a run") if run_id else None

    def encode_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> tuple[Place, str, list[StoredWrite]]:
        """Where the writes belong, and their rows."""
        place = place_of(config)
        checkpoint_id = checkpoint_id_of(config)
        if checkpoint_id is None:
            raise InputError("bad_config", "writes belong to a checkpoint: pass its checkpoint_id")
        task = key_text(task_id, "the id of a task")
        check_length(*place, checkpoint_id, task)
        path = key_text(task_path, "the path of a task")
        rows = [
            StoredWrite(
                task,
                WRITES_IDX_MAP.get(channel, position),
                path,
                _channel(channel),
                self._pack(value, f"a write to channel {channel!r}"),
            )
            for position, (channel, value) in enumerate(writes)
        ]
        return place, checkpoint_id, rows

    def decode(
        self, whole: WholeCheckpoint, config: RunnableConfig | None = None
    ) -> CheckpointTuple:
        """The checkpoint as LangGraph knows it. config: as the caller has named it."""
        row = whole.row
        body = self.load(row, row.body)
        values = {name: self.load(row, packed) for name, packed in whole.values.items()}
        checkpoint = cast("Checkpoint", {**body, "channel_values": values})
        return CheckpointTuple(
            config=config or config_of(row.place, row.checkpoint_id),
            checkpoint=checkpoint,
            metadata=self.metadata(row),
            parent_config=None if not row.parent_id else config_of(row.place, row.parent_id),
            pending_writes=[
                (each.task_id, each.channel, self.load(row, each.value)) for each in whole.writes
            ],
        )

    def metadata(self, row: StoredCheckpoint) -> CheckpointMetadata:
        """What is said about a checkpoint."""
        found: CheckpointMetadata = self.load(row, row.metadata)
        return found

    def matches(self, row: StoredCheckpoint, wanted: Mapping[str, Any] | None) -> bool:
        """Whether its metadata has these values."""
        if not wanted:
            return True
        said: Mapping[str, Any] = self.load(row, row.metadata)
        return all(said.get(name) == value for name, value in wanted.items())

    def load(self, row: StoredCheckpoint, packed: Packed) -> Any:
        """An object that is part of a checkpoint."""
        return self.unpack(packed, f"checkpoint {row.checkpoint_id} of thread {row.place[0]!r}")

    def unpack(self, packed: Packed, where: str = "a checkpoint of this thread") -> Any:
        """An object as the serializer has written it."""
        try:
            return self._serde.loads_typed(packed)
        except TreadleError:
            raise
        except (
            ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError,
            RecursionError, ImportError,
        ) as error:  # fmt: skip
            raise RunError(
                "checkpoint_damaged",
                f"{where} cannot be read ({type(error).__name__}: {str(error)[:200]}); go on from "
                "an earlier one, or delete the thread",
            ) from error

    def histories(self, found: Mapping[str, ChannelHistory]) -> dict[str, DeltaChannelHistory]:
        """What channels are made from, as LangGraph knows it."""
        histories: dict[str, DeltaChannelHistory] = {}
        for name, each in found.items():
            history: DeltaChannelHistory = {
                "writes": [(write.task_id, name, self.unpack(write.value)) for write in each.writes]
            }
            if each.seed is not None:
                history["seed"] = self.unpack(each.seed)
            histories[name] = history
        return histories

    def _pack(self, value: Any, what: str) -> Packed:
        try:
            kind, body = self._serde.dumps_typed(value)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InputError(
                "bad_checkpoint", f"{what} cannot be kept: {str(error)[:300]}"
            ) from error
        return kind, bytes(body)


def _channel(name: object) -> str:
    return key_text(name, "the name of a channel")
