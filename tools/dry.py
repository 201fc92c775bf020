"""Tools of a dry run: what would change something is played, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from treadle.core.errors import ToolError
from treadle.tools.effect import Effect
from treadle.tools.streaming import is_stream
from treadle.tools.tool import Tool
from treadle.tools.undoing import is_async


def dry(tool: Tool) -> Tool:
    """`tool` as a dry run calls it: nothing is changed.

    One that changes nothing stays as it is, unless it has a mock; of others the mock is called. A
    call without one fails with ToolError (`no_mock`).
    """
    if tool.effect.repeatable and tool.mock is None:
        return tool
    plays = tool.mock or _no_mock(tool.name)
    return replace(
        tool,
        function=plays,
        is_async=is_async(plays),
        signature=replace(tool.signature, takes_key=False, streams=is_stream(plays)),
        effect=tool.effect if tool.effect.repeatable else Effect.READ,
        undo=None,
        reconcile=None,
        idempotent=False,
        rate=None,
        circuit=None,
        hedge=None,
        cache=None,
        # It reaches nobody, but what it gives stands for what somebody gave.
        open_world=False,
        untrusted=tool.gives_untrusted,
        scopes=(),
        cost=None,
        mock=None,
        verify=None,
        approval="deny" if tool.approval == "deny" else None,
    )


def _no_mock(name: str) -> Callable[..., object]:
    def refuse(**_: object) -> object:
        raise ToolError(
            "no_mock", f"'{name}' changes things and has no mock: a dry run does not call it"
        )

    return refuse
