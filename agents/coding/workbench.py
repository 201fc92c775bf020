"""Where a model tries things out before it answers: Python, bash and SQL.

InterCode, arXiv 2306.14898: code as action, what the execution prints as observation, in the three
environments of that paper.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from treadle.agents.coding.executions import Executions
from treadle.agents.coding.observation import observed
from treadle.agents.coding.reply import Action

_SQL = """
import json, sqlite3
with open("statement.json") as file:
    script = json.load(file)
database = sqlite3.connect("data.db")
pending = ""
for piece in script.splitlines(keepends=True):
    pending += piece
    if not sqlite3.complete_statement(pending):
        continue
    rows = database.execute(pending)
    pending = ""
    if rows.description:
        print(" | ".join(each[0] for each in rows.description))
        for row in rows.fetchmany(200):
            print(" | ".join(str(each) for each in row))
if pending.strip():
    rows = database.execute(pending)
    if rows.description:
        print(" | ".join(each[0] for each in rows.description))
        for row in rows.fetchmany(200):
            print(" | ".join(str(each) for each in row))
database.commit()
"""


class Workbench(Protocol):
    """Runs actions; what an action leaves behind is there for the next one."""

    @property
    def about(self) -> str:
        """What the model is told of it: what survives, and what does not."""
        ...

    async def act(self, action: Action) -> str:
        """What `action` shows. Raises ToolError where the sandbox is not to be had."""
        ...

    async def close(self) -> None:
        """End whatever still runs."""
        ...


class FileWorkbench:
    """A workbench whose executions share files, and nothing else.

    Each action runs in a sandbox of its own; the files of the workspace are carried from one to the
    next. SQL works on the SQLite database `data.db` among them.

    files: what is there at the beginning, by relative path.
    """

    about = (
        "Each action starts anew; only files survive, and all kinds share them. SQL is SQLite's, "
        "on the database data.db."
    )

    def __init__(
        self, executions: Executions, files: Mapping[str, bytes | str] | None = None
    ) -> None:
        self._executions = executions
        self._files: dict[str, bytes | str] = dict(files or {})

    async def act(self, action: Action) -> str:
        """See Workbench."""
        files = dict(self._files)
        code: str | None = action.code
        command: list[str] | None = None
        if action.kind == "bash":
            code, command = None, ["/usr/bin/bash", "-c", action.code]
        elif action.kind == "sql":
            code = _SQL
            files["statement.json"] = json.dumps(action.code)
        result = await self._executions.run(
            "act", code, command=command, files=files, results=("**/*",), shown=action.code
        )
        kept = {name: data for name, data in result.files.items() if name != "statement.json"}
        if result.status in ("ok", "error"):
            self._files = dict(kept)
        return observed(result)

    async def close(self) -> None:
        """Nothing runs between actions."""
