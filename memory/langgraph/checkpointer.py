"""TreadleCheckpointer: LangGraph's checkpoints in SQLite or PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Self, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from treadle.core.clock import Clock, SystemClock
from treadle.core.database import DatabaseUrl
from treadle.memory.langgraph.checkpoint_codec import (
    CheckpointCodec,
    checkpoint_id_of,
    config_of,
)
from treadle.memory.langgraph.checkpoint_rows import CheckpointRows
from treadle.memory.langgraph.checkpoint_work import (
    Listing,
    RowsWork,
    completing,
    copying,
    deleting,
    deleting_runs,
    finding,
    histories_of,
    in_groups,
    open_database,
    pruning,
    sweeping,
    within,
)
from treadle.memory.langgraph.database_thread import DatabaseThread
from treadle.memory.langgraph.serializer import Name, TrustedSerializer
from treadle.memory.langgraph.stored_checkpoint import StoredCheckpoint, WholeCheckpoint
from treadle.memory.namespace import DEFAULT_TENANT, Namespace

ResultT = TypeVar("ResultT")


class TreadleCheckpointer(BaseCheckpointSaver[str]):
    """A LangGraph checkpointer on `sqlite:///path` or `postgresql://...`, synchronous and async.

    It opens with its first use; close it with `close`, `aclose` or a `with` block. One object
    serves any number of threads and event loops. A synchronous call within an event loop works,
    and stops that loop for as long as it takes.

    tenant: whose threads these are; no tenant ever sees another's.
    serde: how objects are written; by default LangGraph's own way, reading only what is trusted.
    allow: the classes to read besides LangGraph's own. By default dataclasses, pydantic models,
        enumerations and named tuples of modules that the process has imported already. Nothing is
        ever imported because a checkpoint says so. Without use where `serde` is given.

    Raises ConfigError (`bad_database_url`, `database_too_new`), RunError as `Database` does and
    for `checkpoint_damaged` and `checkpoint_type_refused`, and InputError (`bad_config`,
    `bad_key`, `bad_checkpoint`, `bad_namespace`).
    """

    def __init__(
        self,
        url: str | DatabaseUrl,
        *,
        tenant: str = DEFAULT_TENANT,
        serde: SerializerProtocol | None = None,
        allow: Iterable[type | Name] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(serde=serde or TrustedSerializer(allow))
        self.tenant = Namespace(tenant=tenant).tenant
        parsed = url if isinstance(url, DatabaseUrl) else DatabaseUrl.parse(url)
        self._thread = DatabaseThread(parsed)
        self._clock = clock or SystemClock()

    # ---- opening and closing -------------------------------------------------------------------

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        tenant: str = DEFAULT_TENANT,
        serde: SerializerProtocol | None = None,
    ) -> Self:
        """A checkpointer for a `with` or an `async with` block, as LangGraph's own are made."""
        return cls(conn_string, tenant=tenant, serde=serde)

    def setup(self) -> None:
        """Create the tables now; the first use does so by itself."""
        self._thread.call(open_database)

    async def asetup(self) -> None:
        """Create the tables now; the first use does so by itself."""
        await self._thread.acall(open_database)

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._thread.close()

    async def aclose(self) -> None:
        """Close the connections; the next use opens them again."""
        await self._thread.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # ---- one checkpoint ------------------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the latest of its thread."""
        return self._found(config, self._read(finding(config)))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the latest of its thread."""
        return self._found(config, await self._aread(finding(config)))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint; on the disk when this returns."""
        work, stored = self._putting(config, checkpoint, metadata, new_versions)
        self._write(work)
        return config_of(stored.place, stored.checkpoint_id)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint; on the disk when this returns."""
        work, stored = self._putting(config, checkpoint, metadata, new_versions)
        await self._awrite(work)
        return config_of(stored.place, stored.checkpoint_id)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task has written since a checkpoint."""
        self._write(self._putting_writes(config, writes, task_id, task_path))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task has written since a checkpoint."""
        await self._awrite(self._putting_writes(config, writes, task_id, task_path))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """The version after `current`; later ones are greater as texts."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:032}.{secrets.token_hex(8)}"

    # ---- many ----------------------------------------------------------------------------------

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, the highest ids (the latest) first.

        filter: values that the metadata has to have. before: a config, whose checkpoint and all
        later ones are left out.
        """
        listing = Listing(self._codec, config, filter, before, limit)
        while not listing.ended:
            rows = listing.select(self._read(listing.page))
            for group in in_groups(rows):
                for whole in self._read(completing(group)):
                    yield self._codec.decode(whole)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, the highest ids (the latest) first; see `list`."""
        listing = Listing(self._codec, config, filter, before, limit)
        while not listing.ended:
            rows = listing.select(await self._aread(listing.page))
            for group in in_groups(rows):
                for whole in await self._aread(completing(group)):
                    yield self._codec.decode(whole)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> dict[str, DeltaChannelHistory]:
        """What channels that keep differences are made from, before the checkpoint."""
        return self._codec.histories(self._read(histories_of(config, channels)))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> dict[str, DeltaChannelHistory]:
        """What channels that keep differences are made from, before the checkpoint."""
        return self._codec.histories(await self._aread(histories_of(config, channels)))

    # ---- whole threads -------------------------------------------------------------------------

    def delete_thread(self, thread_id: str) -> None:
        """Delete all that is kept of a thread."""
        self._write(deleting([thread_id]))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all that is kept of a thread."""
        await self._awrite(deleting([thread_id]))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that these runs have made (`run_id` in their metadata).

        A DeltaChannel of a thread that goes on may have been made from them.
        """
        self._write(deleting_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that these runs have made; see `delete_for_runs`."""
        await self._awrite(deleting_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with all its checkpoints; what the target has already stays."""
        self._write(copying(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with all its checkpoints; what the target has already stays."""
        await self._awrite(copying(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all but the latest checkpoint of each namespace, or ("delete") all.

        What a DeltaChannel of the latest is made from stays as well. Raises InputError
        (`bad_operation`).
        """
        self._write(pruning(self._codec, thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all but the latest checkpoint of each namespace, or all; see `prune`."""
        await self._awrite(pruning(self._codec, thread_ids, strategy))

    def sweep_idle(self, seconds: float) -> int:
        """Delete the threads without a new checkpoint for so long; return how many these are."""
        return self._write(sweeping(self._clock.now() - seconds))

    async def asweep_idle(self, seconds: float) -> int:
        """Delete the threads without a new checkpoint for so long; return how many these are."""
        return await self._awrite(sweeping(self._clock.now() - seconds))

    # ---- within --------------------------------------------------------------------------------

    @property
    def _codec(self) -> CheckpointCodec:
        # LangGraph's `with_allowlist` makes a copy of this object with another `serde`.
        return CheckpointCodec(self.serde)

    def _read(self, work: RowsWork[ResultT]) -> ResultT:
        return self._thread.call(within(work, self.tenant, writes=False))

    async def _aread(self, work: RowsWork[ResultT]) -> ResultT:
        return await self._thread.acall(within(work, self.tenant, writes=False))

    def _write(self, work: RowsWork[ResultT]) -> ResultT:
        return self._thread.call(within(work, self.tenant, writes=True))

    async def _awrite(self, work: RowsWork[ResultT]) -> ResultT:
        return await self._thread.acall(within(work, self.tenant, writes=True))

    def _found(
        self, config: RunnableConfig, whole: WholeCheckpoint | None
    ) -> CheckpointTuple | None:
        if whole is None:
            return None
        return self._codec.decode(whole, config if checkpoint_id_of(config) else None)

    def _putting(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> tuple[RowsWork[None], StoredCheckpoint]:
        stored, values, run_id = self._codec.encode(config, checkpoint, metadata, new_versions)
        now = self._clock.now()

        async def work(rows: CheckpointRows) -> None:
            await rows.put(stored, values, run_id=run_id, now=now)

        return work, stored

    def _putting_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> RowsWork[None]:
        place, checkpoint_id, encoded = self._codec.encode_writes(
            config, writes, task_id, task_path
        )

        async def work(rows: CheckpointRows) -> None:
            await rows.put_writes(place, checkpoint_id, encoded)

        return work
