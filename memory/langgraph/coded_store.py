"""LangGraph's methods of a store, whose complaints have a code."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, Literal

from langgraph.store.base import (
    NOT_PROVIDED,
    BaseStore,
    Item,
    NamespacePath,
    NotProvided,
    SearchItem,
)

from treadle.memory.langgraph.errors import coded

Labels = tuple[str, ...]


class CodedStore(BaseStore, ABC):
    """A store that raises NamespaceError (`bad_namespace`), which is both ours and LangGraph's."""

    def get(self, namespace: Labels, key: str, *, refresh_ttl: bool | None = None) -> Item | None:
        """The item, or None."""
        with coded():
            return super().get(namespace, key, refresh_ttl=refresh_ttl)

    def search(
        self,
        namespace_prefix: Labels,
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Items below a namespace: the nearest to the query first, or what was put last first."""
        with coded():
            return super().search(
                namespace_prefix,
                query=query,
                filter=filter,
                limit=limit,
                offset=offset,
                refresh_ttl=refresh_ttl,
            )

    def put(
        self,
        namespace: Labels,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Keep an item; on the disk when this returns. ttl: minutes."""
        with coded():
            super().put(namespace, key, value, index, ttl=ttl)

    def delete(self, namespace: Labels, key: str) -> None:
        """Delete an item, if it is there."""
        with coded():
            super().delete(namespace, key)

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Labels]:
        """The namespaces that have items, in order."""
        with coded():
            return super().list_namespaces(
                prefix=prefix, suffix=suffix, max_depth=max_depth, limit=limit, offset=offset
            )

    async def aget(
        self, namespace: Labels, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """The item, or None."""
        with coded():
            return await super().aget(namespace, key, refresh_ttl=refresh_ttl)

    async def asearch(
        self,
        namespace_prefix: Labels,
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Items below a namespace: the nearest to the query first, or what was put last first."""
        with coded():
            return await super().asearch(
                namespace_prefix,
                query=query,
                filter=filter,
                limit=limit,
                offset=offset,
                refresh_ttl=refresh_ttl,
            )

    async def aput(
        self,
        namespace: Labels,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Keep an item; on the disk when this returns. ttl: minutes."""
        with coded():
            await super().aput(namespace, key, value, index, ttl=ttl)

    async def adelete(self, namespace: Labels, key: str) -> None:
        """Delete an item, if it is there."""
        with coded():
            await super().adelete(namespace, key)

    async def alist_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Labels]:
        """The namespaces that have items, in order."""
        with coded():
            return await super().alist_namespaces(
                prefix=prefix, suffix=suffix, max_depth=max_depth, limit=limit, offset=offset
            )
