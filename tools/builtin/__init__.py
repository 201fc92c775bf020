"""The built-in tools: they do real work, inside a workspace and on hosts that were allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from treadle.core.chat import ChatModel
from treadle.core.errors import ConfigError, ToolError
from treadle.tools.builtin.arithmetic import arithmetic_tools
from treadle.tools.builtin.ask_model import model_tools
from treadle.tools.builtin.dates import date_tools
from treadle.tools.builtin.files import file_tools
from treadle.tools.builtin.http import http_tools
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.records import record_tools
from treadle.tools.builtin.tables import table_tools
from treadle.tools.builtin.text import text_tools
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.builtin.write_files import file_writing_tools
from treadle.tools.tool import Tool

__all__ = ["Workspace", "builtin_tools"]


def builtin_tools(
    workspace: Path,
    *,
    allow_hosts: Sequence[str] = (),
    model: ChatModel | None = None,
    kept: Path | None = None,
) -> tuple[Tool, ...]:
    """All built-in tools.

    workspace: the folder that they see.
    allow_hosts: the hosts that `fetch_url` may contact.
    model: what `ask_model` asks; without one there is no such tool.
    kept: where copies of changed files are kept, to undo; a private folder in the user's state
        folder by default, made when first needed.

    Raises ConfigError (`bad_allowed_host`).
    """
    place = Workspace(workspace)
    try:
        fetching = http_tools(allow_hosts)
    except ToolError as error:
        raise ConfigError(error.code, error.message) from None
    return (
        *arithmetic_tools(),
        *file_tools(place),
        *file_writing_tools(place, KeptFiles(kept)),
        *table_tools(place),
        *fetching,
        *date_tools(),
        *text_tools(place),
        *record_tools(),
        *(model_tools(model) if model is not None else ()),
    )
