"""Whether a model can be reached, for `treadle doctor`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from treadle.core.chat import ChatModel
from treadle.core.errors import ErrorInfo, ModelError
from treadle.serving.openai_model import OpenAIModel


@dataclass(frozen=True, slots=True)
class Probe:
    """What asking a model's server for its list of models came to.

    reachable: whether it answered as it should; models that are no servers always do.
    url: where the server is, None for a model without one.
    models: what it serves, as far as it says.
    error: why not, where it is not reachable.
    """

    name: str
    reachable: bool
    url: str | None = None
    models: tuple[str, ...] = ()
    error: ErrorInfo | None = None


async def probe(model: ChatModel, *, timeout: float = 3.0) -> Probe:
    """Ask the server behind `model` for its models, for at most `timeout` seconds.

    A failure is part of the result, with the codes of ModelError; nothing is raised. No tokens
    are spent: whether the model itself answers is not tried.
    """
    if not isinstance(model, OpenAIModel):
        return Probe(model.name, reachable=True)
    # Importing the client library must not count as the server's silence.
    await model.prepare()
    try:
        async with asyncio.timeout(timeout):
            models = await model.list_models()
    except TimeoutError:
        message = f"{model.base_url} did not answer within {timeout:g} s; is it running?"
        error = ErrorInfo("model_timeout", message)
    except ModelError as failure:
        error = ErrorInfo.of(failure)
    else:
        return Probe(model.name, reachable=True, url=model.base_url, models=models)
    return Probe(model.name, reachable=False, url=model.base_url, error=error)
