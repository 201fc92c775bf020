"""TreadleStore: LangGraph's long-term store in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Self

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig, Op, Result, TTLConfig, ensure_embeddings

from treadle.core.clock import Clock, SystemClock
from treadle.core.database import DatabaseUrl
from treadle.core.errors import ConfigError
from treadle.memory.langgraph.batch import Batch, prepared
from treadle.memory.langgraph.checkpoint_work import open_database
from treadle.memory.langgraph.coded_store import CodedStore
from treadle.memory.langgraph.database_thread import Access, DatabaseThread
from treadle.memory.langgraph.errors import OperationError
from treadle.memory.langgraph.item_rows import ItemRows
from treadle.memory.langgraph.sweeper import Sweeper
from treadle.memory.namespace import DEFAULT_TENANT, Namespace

_SWEEP_MINUTES = 5.0


class TreadleStore(CodedStore):
    """A LangGraph store on `sqlite:///path` or `postgresql://...`, synchronous and async.

    It opens with its first use; close it with `close`, `aclose` or a `with` block. One object
    serves any number of threads and event loops. A synchronous call within an event loop works,
    and stops that loop for as long as it takes.

    tenant: whose items these are; no tenant ever sees another's.
    index: how texts are embedded, for searches with a query. Without it a query is ignored, and
        `index` of a put likewise, as LangGraph's own stores do.
    ttl: as LangGraph has it: minutes; `refresh_on_read` (by default yes), `default_ttl`,
        `omit_expired`, `sweep_interval_minutes`. Items go with `sweep_ttl`, or with a sweeper that
        was started.

    Raises ConfigError (`bad_database_url`, `database_too_new`, `bad_index`), RunError as
    `Database` does, and InputErrors: `bad_key`; NamespaceError (`bad_namespace`), which is
    LangGraph's InvalidNamespaceError as well; and OperationError (`bad_value`, `bad_filter`,
    `bad_limit`, `bad_ttl`, `bad_embedding`, `bad_operation`), which is a ValueError as well.
    """

    supports_ttl = True

    def __init__(
        self,
        url: str | DatabaseUrl,
        *,
        tenant: str = DEFAULT_TENANT,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.tenant = Namespace(tenant=tenant).tenant
        self.ttl_config = ttl
        self.index_config = index
        self._embeddings = None if index is None else _embeddings_of(index)
        self._fields = None if index is None else tuple(index.get("fields") or ("$",))
        self._dims = None if index is None else index.get("dims")
        parsed = url if isinstance(url, DatabaseUrl) else DatabaseUrl.parse(url)
        self._thread = DatabaseThread(parsed)
        self._clock = clock or SystemClock()
        self._sweeper: Sweeper | None = None

    # ---- opening and closing -------------------------------------------------------------------

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        tenant: str = DEFAULT_TENANT,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> Self:
        """A store for a `with` or an `async with` block, as LangGraph's own are made."""
        return cls(conn_string, tenant=tenant, index=index, ttl=ttl)

    def setup(self) -> None:
        """Create the tables now; the first use does so by itself."""
        self._thread.call(open_database)

    async def asetup(self) -> None:
        """Create the tables now; the first use does so by itself."""
        await self._thread.acall(open_database)

    def close(self) -> None:
        """Stop the sweeper and close the connections; the next use opens them again."""
        self.stop_ttl_sweeper()
        self._thread.close()

    async def aclose(self) -> None:
        """Stop the sweeper and close the connections; the next use opens them again."""
        await asyncio.to_thread(self.stop_ttl_sweeper)
        await self._thread.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # ---- operations ----------------------------------------------------------------------------

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in one transaction; reading sees what was there before it.

        Of several puts to one key the last counts.
        """
        batch = prepared(ops, self._fields)
        if self._embeddings is not None and (batch.documents or batch.questions):
            embeddings = self._embeddings
            documents = embeddings.embed_documents(batch.documents) if batch.documents else []
            questions = [embeddings.embed_query(each) for each in batch.questions]
            batch.embedded(documents, questions, self._dims)
        return self._thread.call(lambda access: self._run(access, batch))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in one transaction; see `batch`."""
        batch = prepared(ops, self._fields)
        if self._embeddings is not None and (batch.documents or batch.questions):
            embeddings = self._embeddings
            documents = (
                await embeddings.aembed_documents(batch.documents) if batch.documents else []
            )
            questions = [await embeddings.aembed_query(each) for each in batch.questions]
            batch.embedded(documents, questions, self._dims)
        return await self._thread.acall(lambda access: self._run(access, batch))

    # ---- items with an end ---------------------------------------------------------------------

    def sweep_ttl(self) -> int:
        """Delete the items whose time is over; return how many these were."""
        return self._thread.call(self._sweep)

    async def asweep_ttl(self) -> int:
        """Delete the items whose time is over; return how many these were."""
        return await self._thread.acall(self._sweep)

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Delete, from now on and every so often, the items whose time is over.

        sweep_interval_minutes: by default that of the store's `ttl`, or 5. The future is done
        when it ends; cancel it, or call `stop_ttl_sweeper`. Raises OperationError (`bad_ttl`).
        """
        if self._sweeper is None or not self._sweeper.is_running:
            minutes = sweep_interval_minutes or (self.ttl_config or {}).get(
                "sweep_interval_minutes"
            )
            minutes = _SWEEP_MINUTES if minutes is None else float(minutes)
            if not 0 < minutes < math.inf:
                raise OperationError("bad_ttl", f"no interval to sweep in: {minutes} minutes")
            self._sweeper = Sweeper(self, minutes * 60)
        return self._sweeper.future

    def stop_ttl_sweeper(self, timeout: float | None = 10.0) -> bool:
        """End the sweeping; whether it has ended within `timeout` seconds."""
        sweeper, self._sweeper = self._sweeper, None
        return sweeper is None or sweeper.stop(timeout)

    # ---- within --------------------------------------------------------------------------------

    async def _run(self, access: Access, batch: Batch) -> list[Result]:
        now = self._clock.now()
        omit = bool((self.ttl_config or {}).get("omit_expired", False))
        if batch.puts:
            async with access.writing() as connection:
                rows = ItemRows(connection, self.tenant, now, omit_expired=omit)
                results, touched = await batch.read(rows)
                await rows.refresh(touched)
                await batch.write(rows)
            return results
        async with access.reading() as connection:
            rows = ItemRows(connection, self.tenant, now, omit_expired=omit)
            results, touched = await batch.read(rows)
        if touched:
            async with access.writing() as connection:
                await ItemRows(connection, self.tenant, now).refresh(touched)
        return results

    async def _sweep(self, access: Access) -> int:
        async with access.writing() as connection:
            return await ItemRows(connection, self.tenant, self._clock.now()).sweep()


def _embeddings_of(index: IndexConfig) -> Embeddings:
    try:
        return ensure_embeddings(index.get("embed"))
    except ValueError as error:
        raise ConfigError(
            "bad_index",
            'an index needs what embeds texts: {"embed": a function, "dims": its dimensions}: '
            f"{error}",
        ) from error
