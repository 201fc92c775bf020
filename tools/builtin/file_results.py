"""What changing a file gives: all that undoing it needs."""

from __future__ import annotations

from pydantic import TypeAdapter
from typing_extensions import TypedDict


class Written(TypedDict):
    """A file that was written.

    replaced, mode: digest and permissions of what was there before, null if nothing was.
    folders: those that were made for it. call: names the record of the call.
    """

    path: str
    bytes: int
    digest: str
    replaced: str | None
    mode: int | None
    folders: list[str]
    call: str


class Moved(TypedDict):
    """A file that was moved; `folders` were made for it, `call` names the record of the call."""

    source: str
    destination: str
    bytes: int
    digest: str
    folders: list[str]
    call: str


class Deleted(TypedDict):
    """A file that was deleted; a copy is kept by `digest`. `call` names the record of the call."""

    path: str
    bytes: int
    digest: str
    mode: int
    call: str


WRITTEN = TypeAdapter(Written)
MOVED = TypeAdapter(Moved)
DELETED = TypeAdapter(Deleted)
