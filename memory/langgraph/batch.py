"""A batch of a store: checked and prepared before the transaction, carried out within one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.store.base import (
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)

from treadle.core.json_value import storable_json
from treadle.memory.langgraph.errors import NamespaceError, OperationError, coded
from treadle.memory.langgraph.filters import check_filter
from treadle.memory.langgraph.item_rows import ItemRow, ItemRows, NewItem
from treadle.memory.langgraph.keys import check_length, key_text
from treadle.memory.langgraph.label_paths import (
    check_conditions,
    listed,
    literal_prefix,
    namespace_text,
)
from treadle.memory.langgraph.vectors import packed

_MOST = 2**31
"""More than this is all there is."""


@dataclass(slots=True)
class Batch:
    """Operations that have been checked. Reading sees what was there before the batch.

    puts: the last operation on each (namespace, key). texts: what is to be embedded, of each item
    by path. vectors: of each text, to be filled in before `run`; queries likewise.
    """

    size: int = 0
    gets: dict[int, GetOp] = field(default_factory=dict)
    searches: dict[int, SearchOp] = field(default_factory=dict)
    listings: dict[int, ListNamespacesOp] = field(default_factory=dict)
    puts: dict[tuple[str, str], tuple[str, float | None] | None] = field(default_factory=dict)
    texts: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    vectors: dict[str, bytes] = field(default_factory=dict)
    queries: dict[str, bytes] = field(default_factory=dict)

    @property
    def documents(self) -> list[str]:
        """The texts to embed, each once."""
        return list(
            dict.fromkeys(text for by_path in self.texts.values() for text in by_path.values())
        )

    @property
    def questions(self) -> list[str]:
        """The queries to embed, each once."""
        return list(dict.fromkeys(each.query for each in self.searches.values() if each.query))

    def embedded(
        self,
        documents: Sequence[Sequence[float]],
        questions: Sequence[Sequence[float]],
        dims: int | None,
    ) -> None:
        """Take the vectors of `documents` and `questions`. Raises OperationError."""
        for texts, vectors, into in (
            (self.documents, documents, self.vectors),
            (self.questions, questions, self.queries),
        ):
            if len(texts) != len(vectors):
                raise OperationError(
                    "bad_embedding",
                    f"the embedding gave {len(vectors)} vectors for {len(texts)} texts",
                )
            for text, vector in zip(texts, vectors, strict=True):
                into[text] = packed(vector, dims)

    async def read(self, rows: ItemRows) -> tuple[list[Result], set[int]]:
        """The results, and which items are to have their time begin anew."""
        results: list[Result] = [None] * self.size
        touched: set[int] = set()
        names = {
            place: (namespace_text(op.namespace), key_text(op.key, "a key"))
            for place, op in self.gets.items()
        }
        found = await rows.get(names.values()) if names else {}
        for place, name in names.items():
            row = found.get(name)
            if row is not None:
                results[place] = row.item()
                if row.has_ttl and self.gets[place].refresh_ttl:
                    touched.add(row.item_id)
        for place, op in self.searches.items():
            limit, offset = min(op.limit, _MOST), min(op.offset, _MOST)
            query = self.queries.get(op.query or "")
            if query is None:
                plain = await rows.search(op.namespace_prefix, op.filter, limit, offset)
                scored: list[tuple[ItemRow, float | None]] = [(row, None) for row in plain]
            else:
                scored = await rows.nearest(op.namespace_prefix, op.filter, limit, offset, query)
            results[place] = [row.search_item(score) for row, score in scored]
            if op.refresh_ttl:
                touched.update(row.item_id for row, _ in scored if row.has_ttl)
        for place, listing in self.listings.items():
            below = await rows.namespaces(literal_prefix(listing.match_conditions))
            results[place] = listed(listing, below)
        return results, touched

    async def write(self, rows: ItemRows) -> None:
        """Carry out what puts and deletes."""
        await rows.delete(name for name, put in self.puts.items() if put is None)
        await rows.put(
            [
                NewItem(
                    *name,
                    *put,
                    {
                        path: self.vectors[text]
                        for path, text in self.texts.get(name, {}).items()
                        if text in self.vectors
                    },
                )
                for name, put in self.puts.items()
                if put is not None
            ]
        )


def prepared(operations: Iterable[Op], fields: Sequence[str] | None) -> Batch:
    """The batch of these operations.

    fields: the paths that are embedded where an operation names none; None without an index.

    Raises OperationError and NamespaceError.
    """
    batch = Batch()
    for operation in operations:
        place, batch.size = batch.size, batch.size + 1
        with coded():
            validate_op_namespace(operation)
        match operation:
            case GetOp():
                check_length(namespace_text(operation.namespace), _key(operation.key))
                batch.gets[place] = operation
            case SearchOp():
                _check_bounds(operation.limit, operation.offset)
                check_filter(operation.filter)
                namespace_text(operation.namespace_prefix)
                batch.searches[place] = operation
            case ListNamespacesOp():
                _check_bounds(operation.limit, operation.offset)
                check_conditions(operation)
                batch.listings[place] = operation
            case PutOp():
                _prepare_put(batch, operation, fields)
            case _:
                raise OperationError("bad_operation", f"Unknown operation type: {type(operation)}")
    return batch


def _prepare_put(batch: Batch, operation: PutOp, fields: Sequence[str] | None) -> None:
    if not operation.namespace:
        raise NamespaceError("bad_namespace", "Namespace cannot be empty.")
    name = namespace_text(operation.namespace), _key(operation.key)
    check_length(*name)
    batch.texts.pop(name, None)
    if operation.value is None:
        batch.puts[name] = None
        return
    value = _plain(operation.value)
    batch.puts[name] = storable_text(value), _minutes(operation.ttl)
    if fields is None or operation.index is False:
        return
    paths = fields if operation.index is None else operation.index
    texts: dict[str, str] = {}
    for path in paths:
        found = get_text_at_path(value, path if path == "$" else tokenize_path(path))
        for number, text in enumerate(found):
            key = key_text(path, "a path of the index", "bad_value")
            texts[f"{key}.{number}" if len(found) > 1 else key] = text
    batch.texts[name] = texts


def storable_text(value: Mapping[str, Any]) -> str:
    """`value` as JSON. Raises OperationError (`bad_value`) for what JSON cannot carry."""
    try:
        return storable_json(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise OperationError(
            "bad_value", f"the value of an item is JSON, and this is not: {str(error)[:200]}"
        ) from error


def _plain(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise OperationError("bad_value", "the value of an item is a mapping with texts as keys")
    # JSON would make texts of other keys without a word.
    seen: set[int] = set()
    left: list[object] = [value]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        if isinstance(each, Mapping):
            seen.add(id(each))
            for key in each:
                if not isinstance(key, str):
                    raise OperationError(
                        "bad_value", f"the keys of a value are texts, not {key!r:.40}"
                    )
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            seen.add(id(each))
            left.extend(each)
    return dict(value)


def _key(key: object) -> str:
    return key_text(key, "a key")


def _minutes(ttl: float | None) -> float | None:
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 <= ttl < math.inf:
        raise OperationError("bad_ttl", f"a ttl is a number of minutes, not {ttl!r:.40}")
    return float(ttl)


def _check_bounds(*bounds: object) -> None:
    for each in bounds:
        if isinstance(each, bool) or not isinstance(each, int) or each < 0:
            raise OperationError(
                "bad_limit", f"limit and offset are numbers from 0 on, not {each!r:.40}"
            )
