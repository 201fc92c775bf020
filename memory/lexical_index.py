"""The index of terms: which items of a namespace have a word, on both databases alike.

It holds no words but hashes of them, each with its namespace and kind in it. So what is found is of
one namespace by the nature of the index, a search costs what that namespace holds, no syntax of a
search engine can be written into a query, every script works, and no text is left in an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

KINDS = 8
"""The row of an item in the index is its number times this, plus its kind."""

_BYTES = 6


def token(namespace_id: int, kind: Kind, term: str) -> str:
    """What stands for `term` of items of `kind` in the index."""
    text = f"{namespace_id}/{int(kind)}/{term}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=_BYTES).hexdigest()


def tokens(namespace_id: int, kind: Kind, terms: Iterable[str]) -> list[str]:
    """What stands for `terms`, each once."""
    return [token(namespace_id, kind, term) for term in dict.fromkeys(terms)]


async def index(partition: Partition, kind: Kind, item_id: int, terms: Sequence[str]) -> None:
    """Make an item findable by `terms`."""
    await _write(partition, _INSERT_SQLITE, kind, item_id, terms)


async def unindex(partition: Partition, kind: Kind, item_id: int, terms: Sequence[str]) -> None:
    """Take an item out again, if it is there; `terms` are those that it went in with."""
    row = item_id * KINDS + int(kind)
    if not partition.is_sqlite:
        await partition.raw("delete from term_index where rowid = :row", {"row": row})
    elif await _is_there(partition, row, tokens(partition.id, kind, terms[:1])):
        await _write(partition, _DELETE_SQLITE, kind, item_id, terms)


async def _is_there(partition: Partition, row: int, first: Sequence[str]) -> bool:
    # To delete from an index without contents what is not in it would damage it.
    if not first:
        return False
    query = f"{MATCH_SQLITE} and rowid = :row"
    return (await partition.raw(query, {"token": first[0], "row": row})).first() is not None


async def _write(
    partition: Partition, sqlite: str, kind: Kind, item_id: int, terms: Sequence[str]
) -> None:
    made = tokens(partition.id, kind, terms)
    row = item_id * KINDS + int(kind)
    if partition.is_sqlite:
        await partition.raw(sqlite, {"row": row, "terms": " ".join(made)})
    else:
        await partition.raw(_INSERT_POSTGRESQL, {"row": row, "terms": made})


_INSERT_SQLITE = "insert into term_index (rowid, terms) values (:row, :terms)"
_DELETE_SQLITE = "insert into term_index (term_index, rowid, terms) values ('delete', :row, :terms)"
_INSERT_POSTGRESQL = (
    "insert into term_index (rowid, terms) values (:row, array_to_tsvector(cast(:terms as text[])))"
)

MATCH_SQLITE = "select rowid from term_index where term_index match :token"
"""The rows that have a token."""

MATCH_POSTGRESQL = (
    "select rowid from term_index where terms @@ cast(quote_literal(:token) as tsquery)"
)
"""The rows that have a token."""


def match(is_sqlite: bool) -> str:
    """The query for the rows that have `:token`, in the words of the database."""
    return MATCH_SQLITE if is_sqlite else MATCH_POSTGRESQL
