"""A workbench whose three environments each go on from one action to the next."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial

from treadle.agents.coding.executions import Executions
from treadle.agents.coding.observation import observed, with_table
from treadle.agents.coding.reply import Action, ActionKind
from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundaries import strongest_runner
from treadle.tools.sandbox.contract import CodeRunner, SandboxPolicy, SandboxResult
from treadle.tools.sandbox.execution import ColdRunner
from treadle.tools.sandbox.sandbox import Sandbox
from treadle.tools.sandbox.sessions import (
    SandboxSession,
    SessionEnded,
    SessionLimits,
    open_session,
)
from treadle.tools.sandbox.warm.guest_process import HostedBoundary
from treadle.tools.sandbox.warm.pool import WARM_LEVELS

_PUT = """
def put(files):
    import base64, pathlib
    for name, data in files.items():
        path = pathlib.Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))
put({files!r})
del put
"""

_STATE: dict[ActionKind, str] = {
    "python": "variables and files",
    "bash": "variables, working directory and files",
    "sql": "tables",
}


class SessionWorkbench:
    """Python, bash and SQLite, each in a session of its own behind one boundary.

    Variables, the working directory, files and tables survive between the actions of one kind; the
    kinds share nothing. A session is opened when it is first needed. One that has ended is opened
    anew, and the model is told what it has lost. Each action has the seconds of `executions`.

    files: what Python and bash find in their workspaces, by relative path.
    session_limits: of each session as a whole.
    """

    about = (
        "Python, bash and SQL (SQLite, in memory) are three sessions: variables, files and tables "
        "survive from one action to the next of its kind; the three share nothing."
    )

    def __init__(
        self,
        executions: Executions,
        boundary: HostedBoundary,
        files: Mapping[str, bytes | str] | None = None,
        *,
        policy: SandboxPolicy | None = None,
        session_limits: SessionLimits | None = None,
    ) -> None:
        self._executions = executions
        self._boundary = boundary
        self._files = dict(files or {})
        self._policy = policy
        self._bounds = session_limits
        self._open: dict[ActionKind, SandboxSession] = {}

    async def act(self, action: Action) -> str:
        """See Workbench."""
        kind, told = action.kind, ""
        lost = self._open.get(kind)
        if lost is not None and lost.ended:
            told = await self._renewed(kind, lost.ended)
        session = await self._session(kind)
        try:
            result = await self._run(session, action)
        except SessionEnded:
            # It ended while nobody looked: nothing of this action has run.
            told = await self._renewed(kind, session.ended or "it was idle for too long")
            result = await self._run(await self._session(kind), action)
        return told + observed(with_table(result) if kind == "sql" else result)

    async def close(self) -> None:
        """See Workbench."""
        while self._open:
            _, session = self._open.popitem()
            await session.close()

    async def _run(self, session: SandboxSession, action: Action) -> SandboxResult:
        return await self._executions.perform(
            "act", partial(session.run, action.code), shown=action.code
        )

    async def _session(self, kind: ActionKind) -> SandboxSession:
        if (session := self._open.get(kind)) is not None:
            return session
        session = await open_session(
            kind,
            self._boundary,
            limits=self._executions.limits,
            policy=self._policy,
            session_limits=self._bounds,
        )
        self._open[kind] = session
        await self._furnish(session)
        return session

    async def _furnish(self, session: SandboxSession) -> None:
        """Put the files into a new session. Raises ToolError (`sandbox_failed`)."""
        if not self._files or session.kind == "sql":
            return
        encoded = {
            name: base64.b64encode(data.encode() if isinstance(data, str) else data).decode()
            for name, data in self._files.items()
        }
        code = _PUT.format(files=encoded)
        if session.kind == "bash":
            code = f"python3 - <<'END_OF_FILES'\n{code}\nEND_OF_FILES"
        put = await session.run(code)
        if put.status != "ok":
            why = put.reason or put.stderr[-200:]
            raise ToolError("sandbox_failed", f"files could not be put into a session: {why}")

    async def _renewed(self, kind: ActionKind, why: str) -> str:
        session = self._open.pop(kind)
        await session.close()
        return f"(The {kind} session had ended ({why}). This is a new one: the {_STATE[kind]} of \
the earlier one are gone.)\n"


async def session_boundary(
    runner: CodeRunner, policy: SandboxPolicy | None
) -> HostedBoundary | None:
    """The boundary of sessions that are as well guarded as `runner`'s executions; None for none.

    policy: that of executions, the runner's own by default.
    """
    if not isinstance(runner, Sandbox):
        return None  # somebody else's: what it demands of a boundary is not known
    try:
        found = await strongest_runner(policy or runner.policy)
    except ToolError as error:
        if error.code != "sandbox_unavailable":
            raise
        return None  # its executions are refused, or run on another machine
    if not isinstance(found, ColdRunner) or found.level not in WARM_LEVELS:
        return None
    return found.boundary
