"""What spans carry: names of the GenAI semantic conventions, and our own beside them.

The conventions are under development, so their names stand here and nowhere else:
https://github.com/open-telemetry/semantic-conventions-genai (agent spans, client spans, tool
execution).
"""

from __future__ import annotations

import json
from typing import TypeAlias

from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import ModelCalled
from treadle.core.json_value import as_text, compact_json
from treadle.core.payload import Payload

Attributes: TypeAlias = dict[str, str | int | float | bool]

AGENT = "treadle"
ERROR_TYPE = "error.type"
RUN_ID = "treadle.run.id"
RUN_STATUS = "treadle.run.status"
RUN_RESUMED = "treadle.run.resumed"
STEP_ID = "treadle.step.id"
STEP_STATUS = "treadle.step.status"
STEP_ATTEMPTS = "treadle.step.attempts"
STEP_ITEM = "treadle.step.item"
STEP_ITEMS = "treadle.step.items"
PURPOSE = "treadle.model.purpose"

_MOST_CONTENT = 100_000


def run_attributes(run_id: str) -> Attributes:
    """Of `invoke_agent`."""
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": AGENT,
        "gen_ai.agent.name": AGENT,
        RUN_ID: run_id,
    }


def tool_attributes(tool: str, run_id: str, step_id: str | None) -> Attributes:
    """Of `execute_tool`."""
    attributes: Attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        RUN_ID: run_id,
    }
    return attributes if step_id is None else {**attributes, STEP_ID: step_id}


def chat_attributes(event: ModelCalled) -> Attributes:
    """Of `chat`. A model's name is `provider:model`; one without a colon is its own provider."""
    provider, colon, model = event.model.partition(":")
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model if colon else event.model,
        **usage_attributes(event.usage),
        PURPOSE: event.purpose,
        RUN_ID: event.run_id,
    }
    if event.step_id is not None:
        attributes[STEP_ID] = event.step_id
    if event.first_delta_seconds is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = event.first_delta_seconds
    return attributes


def usage_attributes(usage: Usage) -> Attributes:
    """Tokens; empty where no model was called."""
    if not usage.calls:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
    }


def error_attributes(error: ErrorInfo | None) -> Attributes:
    """The code: a message may hold what the run works on."""
    return {} if error is None else {ERROR_TYPE: error.code}


def arguments_content(payload: Payload | None) -> Attributes:
    """The arguments of a call; empty where they are gone."""
    return _content("gen_ai.tool.call.arguments", payload)


def result_content(payload: Payload | None) -> Attributes:
    """The result of a call; empty where it is gone."""
    return _content("gen_ai.tool.call.result", payload)


def task_content(payload: Payload | None) -> Attributes:
    """The user's words."""
    return _message("gen_ai.input.messages", "user", payload)


def answer_content(payload: Payload | None) -> Attributes:
    """The answer."""
    return _message("gen_ai.output.messages", "assistant", payload)


def _content(name: str, payload: Payload | None) -> Attributes:
    if payload is None or payload.erased:
        return {}
    return {name: _bounded(compact_json(payload.value))}


def _message(name: str, role: str, payload: Payload | None) -> Attributes:
    if payload is None or payload.erased:
        return {}
    part = {"type": "text", "content": _bounded(as_text(payload.value))}
    message: dict[str, object] = {"role": role, "parts": [part]}
    if role == "assistant":
        message["finish_reason"] = "stop"
    return {name: json.dumps([message])}


def _bounded(text: str) -> str:
    # What UTF-8 has no bytes for would make the exporter refuse the whole batch.
    return text[:_MOST_CONTENT].encode("utf-8", "backslashreplace").decode("utf-8")
