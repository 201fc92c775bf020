"""What an agent that writes code needs before it begins: a model that can, and a sandbox."""

from __future__ import annotations

from contextlib import AsyncExitStack

from treadle.core.chat import ChatModel
from treadle.core.errors import ConfigError, ModelError
from treadle.serving.offline import OfflineModel
from treadle.serving.offline.wording import OUT_OF_RANGE
from treadle.tools.sandbox.contract import CodeRunner


def chosen_model(agent: str, own: ChatModel | None, given: ChatModel | None) -> ChatModel:
    """The model of an agent, or else the one that it is given.

    Raises ConfigError (`agent_without_model`).
    """
    used = own or given
    if used is None:
        raise ConfigError("agent_without_model", f"agent '{agent}' needs a model")
    return used


def check_can(model: ChatModel, what: str) -> None:
    """Refuse the offline stand-in. Raises ModelError (`offline_out_of_range`)."""
    if isinstance(model, OfflineModel):
        raise ModelError("offline_out_of_range", OUT_OF_RANGE.format(what=what))


async def open_sandbox(given: CodeRunner | None, stack: AsyncExitStack) -> CodeRunner:
    """The sandbox that was given, or Treadle's own, until `stack` ends."""
    if given is not None:
        return given
    from treadle.tools.sandbox import Sandbox

    return await stack.enter_async_context(Sandbox())
