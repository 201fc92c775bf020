"""An agent's loop: the literal calls of a plan become tool calls, their results the answer."""

from __future__ import annotations

from treadle.core.chat import FunctionSpec, Message, ToolCall
from treadle.core.json_value import JsonValue, compact_json
from treadle.serving.offline.draft import refers, unescaped
from treadle.serving.offline.planning import plan_task

_MAX_RESULT = 4000


def tool_calls(
    messages: tuple[Message, ...], tools: tuple[FunctionSpec, ...]
) -> tuple[ToolCall, ...]:
    """The calls for the last user message; none once there are results."""
    start = _last_user_at(messages)
    if start < 0 or any(message.role == "tool" for message in messages[start:]):
        return ()
    # Which tools are there is checked per step, so that half a plan still helps.
    plan = plan_task(messages[start].content, _Everything())
    offered = {tool.name for tool in tools}
    steps = plan["steps"]
    calls: list[ToolCall] = []
    for step in steps if isinstance(steps, list) else []:
        if not isinstance(step, dict) or step["tool"] not in offered or "for_each" in step:
            continue
        if not _is_literal(step["args"]):
            continue
        arguments = compact_json(_plain(step["args"]))
        calls.append(ToolCall(f"call_{len(calls)}_{step['id']}", str(step["tool"]), arguments))
    return tuple(calls)


def answer_from_results(messages: tuple[Message, ...]) -> str:
    """What the tools said since the last user message, call by call; empty without results."""
    since = messages[_last_user_at(messages) + 1 :]
    calls = {call.id: call for message in since for call in message.tool_calls}
    lines: list[str] = []
    for message in since:
        if message.role != "tool":
            continue
        call = calls.get(message.tool_call_id or "")
        head = f"{call.name}({call.arguments})" if call is not None else "result"
        shown = message.content
        if len(shown) > _MAX_RESULT:
            shown = f"{shown[:_MAX_RESULT]}… ({len(message.content)} characters)"
        lines.append(f"{head}: {shown}")
    if not lines:
        return ""
    return "\n".join(["[offline stand-in, not a language model] The tools say:", *lines])


class _Everything(frozenset[str]):
    def __contains__(self, item: object) -> bool:
        return True


def _last_user_at(messages: tuple[Message, ...]) -> int:
    return max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)


def _is_literal(value: JsonValue) -> bool:
    if isinstance(value, str):
        return not refers(value)
    if isinstance(value, list):
        return all(_is_literal(each) for each in value)
    if isinstance(value, dict):
        return all(_is_literal(each) for each in value.values())
    return True


def _plain(value: JsonValue) -> JsonValue:
    """`value` without the escapes that plans need and tool calls do not."""
    if isinstance(value, str):
        return unescaped(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
