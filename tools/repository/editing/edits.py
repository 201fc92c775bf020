"""The edits that a model may ask for, as they come: JSON, checked."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT = 2_000_000
"""Characters of one edit's text."""

_Selector = Annotated[str, Field(max_length=4_000, description="a selector; see the tool")]
_Path = Annotated[str, Field(min_length=1, max_length=1_000)]
_Text = Annotated[str, Field(max_length=MAX_TEXT)]


class _Edit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Replace(_Edit):
    """Put text in the place of a definition (decorators included) or of an anchored text."""

    op: Literal["replace"]
    at: _Selector
    text: _Text


class Insert(_Edit):
    """Put text before or after a definition (on lines of its own), an anchored text or a place."""

    op: Literal["insert_before", "insert_after"]
    at: _Selector
    text: _Text


class Delete(_Edit):
    """Take a definition or an anchored text away."""

    op: Literal["delete"]
    at: _Selector


class WriteFile(_Edit):
    """Make a file, or replace all of its text."""

    op: Literal["write_file"]
    path: _Path
    text: _Text


class DeleteFile(_Edit):
    """Delete a file."""

    op: Literal["delete_file"]
    path: _Path


class MoveFile(_Edit):
    """Move or rename a file to where there is none."""

    op: Literal["move_file"]
    path: _Path
    to: _Path


Edit: TypeAlias = Annotated[
    Replace | Insert | Delete | WriteFile | DeleteFile | MoveFile, Field(discriminator="op")
]
