"""What applying a change set gives: all that undoing it needs."""

from __future__ import annotations

from pydantic import TypeAdapter
from typing_extensions import TypedDict


class AppliedFile(TypedDict):
    """A file that was changed: digests of its content (null: no file), permissions of before."""

    path: str
    before: str | None
    after: str | None
    mode: int | None


class Applied(TypedDict):
    """A transaction: its files, the folders that it made, and the name of its record."""

    files: list[AppliedFile]
    folders: list[str]
    call: str


APPLIED = TypeAdapter(Applied)
