"""Typed answers from a model: ask, validate, ask again with what was wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from treadle.core.chat import ChatModel, ChatRequest, Message, ResponseSchema, Usage
from treadle.core.errors import ModelError
from treadle.core.json_value import JsonSchema
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, call_model

AnswerT = TypeVar("AnswerT")

_FENCE = re.compile(r"```[A-Za-z]*\n(.*?)```", re.DOTALL)
_START = re.compile(r"[{\[]")
_MOST_STARTS = 64
_LONGEST_QUOTE = 20_000


async def ask_structured(
    model: ChatModel,
    messages: Sequence[Message],
    type_: type[AnswerT] | TypeAdapter[AnswerT],
    *,
    name: str,
    purpose: str,
    attempts: int = 2,
    deadlines: ModelDeadlines = DEFAULT_DEADLINES,
    max_tokens: int | None = None,
) -> tuple[AnswerT, Usage]:
    """Ask for a value of `type_`; returns it with what all the calls together used.

    type_: a pydantic model, any type that pydantic knows, or a TypeAdapter.
    name: what the answer is called towards the model.
    attempts: how often the model is asked again, with the error, when its answer does not fit.

    Raises ModelError (`model_malformed_reply`) when no answer fits, and whatever `call_model`
    raises.
    """
    adapter = type_ if isinstance(type_, TypeAdapter) else TypeAdapter(type_)
    wanted = ResponseSchema(name, cast(JsonSchema, adapter.json_schema()))
    conversation = list(messages)
    usage = Usage()
    problem = ""
    for _ in range(attempts + 1):
        request = ChatRequest(tuple(conversation), response_schema=wanted, max_tokens=max_tokens)
        reply = await call_model(model, request, purpose=purpose, deadlines=deadlines)
        usage += reply.usage
        try:
            return parse_reply(reply.text, adapter), usage
        except ValueError as error:
            problem = explain(error)
            if reply.finish_reason == "length":
                problem = f"the reply was cut at its maximal length; {problem}"
        conversation = [
            *messages,
            Message("assistant", reply.text[:_LONGEST_QUOTE] or "(nothing)"),
            Message(
                "user", f"That is not a valid {name}: {problem}. Reply with the corrected JSON."
            ),
        ]
    raise ModelError(
        "model_malformed_reply",
        f"{model.name} gave no valid {name} when asked {attempts + 1} times: {problem}; reword the "
        f"task or use a stronger model",
    )


def parse_reply(text: str, adapter: TypeAdapter[AnswerT]) -> AnswerT:
    """The value in `text`, which may stand in a fence or between prose.

    Raises ValueError (or pydantic's ValidationError, which is one) for the closest candidate.
    """
    candidates = [text.strip(), *(match.strip() for match in _FENCE.findall(text))]
    failure: ValueError | None = None
    for candidate in (*candidates, *_values_in(text)):
        try:
            return adapter.validate_json(candidate)
        except ValidationError as error:
            # An answer of the wrong shape says more than text that is no JSON at all.
            if failure is None or not _is_syntax(error):
                failure = error
    raise failure or ValueError("the reply is empty")


def explain(error: ValueError) -> str:
    """What is wrong, in one line for a model or a person."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [
        f"{'.'.join(str(part) for part in each['loc']) or 'the reply'}: {each['msg'].lower()}"
        for each in problems[:5]
    ]
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "; ".join(shown) + more


def _values_in(text: str) -> list[str]:
    """The JSON objects and lists that begin somewhere in `text`, outermost only."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    position = 0
    for _ in range(_MOST_STARTS):
        match = _START.search(text, position)
        if match is None:
            break
        try:
            _, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            position = match.start() + 1
        else:
            found.append(text[match.start() : end])
            position = end
    return found


def _is_syntax(error: ValidationError) -> bool:
    return any(each["type"] == "json_invalid" for each in error.errors(include_url=False))
