"""Made tools as Tools that plans and agents can call."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.making.library import ToolLibrary
from treadle.tools.making.made_tool import MadeTool
from treadle.tools.making.source import read_source
from treadle.tools.making.trial import run_source
from treadle.tools.sandbox.contract import CodeRunner, SandboxLimits
from treadle.tools.tool import Tool


def made_tools(
    library: ToolLibrary, runner: CodeRunner, *, limits: SandboxLimits | None = None
) -> list[Tool]:
    """The approved tools of `library`, which run in `runner`."""
    return [as_tool(made, library, runner, limits=limits) for made in library.approved()]


def as_tool(
    made: MadeTool,
    library: ToolLibrary,
    runner: CodeRunner,
    *,
    limits: SandboxLimits | None = None,
) -> Tool:
    """`made` as a Tool: its code runs in `runner` only, and only while it is approved.

    What it gives is labelled as untrusted: the code is a model's. Raises ToolError
    (`tool_not_approved`), here and at each call.
    """
    if made.effect not in (Effect.PURE, Effect.READ):
        raise ToolError("bad_tool_source", f"a made tool is pure or read, not '{made.effect}'")
    _check_approved(made, library)
    source = read_source(made.source)

    async def call(**arguments: JsonValue) -> JsonValue:
        await run_in_thread(partial(_check_approved, made, library))
        return await run_source(runner, made.source, made.name, arguments, limits)

    described = tool(
        name=made.title, effect=made.effect, open_world=made.open_world, untrusted=True
    )(source.described(call))
    return replace(described, identity=made.digest)


def _check_approved(made: MadeTool, library: ToolLibrary) -> None:
    if not library.is_approved(made):
        raise ToolError(
            "tool_not_approved",
            f"'{made.title}', version {made.version}, was written by a model and nobody has "
            f"approved it; read its source and approve it, or do without",
        )
