"""Texts about tools, usage and help."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.cli.chat.slash import COMMANDS
from treadle.cli.harmless import one_line
from treadle.core.chat import Usage
from treadle.core.json_value import JsonValue, compact_json
from treadle.executor import PendingCall
from treadle.tools import Tool
from treadle.tools.tool import DEFAULT_TIMEOUT

LONGEST_ARGUMENT = 400
MOST_ARGUMENTS = 20
MOST_ITEMS = 10

KEYS = (
    ("Enter", "Send."),
    ("Alt-Enter", "Begin another line; so does \\ at the end of one."),
    ("Tab", "Complete a command, a tool, a file of the workspace."),
    ("Up, Down", "What was typed before, in earlier sessions too."),
    ("Ctrl-C", "Stop the run; at the prompt, clear the line."),
    ("Ctrl-D", "Leave."),
)


def help_text() -> str:
    """Commands and keys."""
    rows = [(command.usage, command.summary) for command in COMMANDS]
    width = max(len(left) for left, _ in (*rows, *KEYS))
    lines = ["Type a task in your own words, or:"]
    lines += [f"  {left:{width}}  {right}" for left, right in (*rows, *KEYS)]
    return "\n".join(lines)


def usage_text(usage: Usage) -> str:
    """What the session has used so far."""
    calls = f"{usage.calls:,} model call{'' if usage.calls == 1 else 's'}"
    cost = f", cost {usage.cost:,.4g}" if usage.cost else ""
    return (
        f"{calls}, {usage.total_tokens:,} tokens: {usage.prompt_tokens:,} prompt "
        f"({usage.cached_tokens:,} cached), {usage.completion_tokens:,} completion{cost}"
    )


def tool_text(tool: Tool) -> str:
    """One tool in detail: what it does, its arguments, its limits."""
    timeout = tool.timeout or DEFAULT_TIMEOUT
    lines = [f"{tool.name} ({tool.effect.value}, at most {timeout:g} s)", tool.description.strip()]
    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required")
    if isinstance(properties, dict) and properties:
        lines.append("arguments:")
        for name, schema in properties.items():
            must = isinstance(required, list) and name in required
            lines.append(f"  {name}: {_argument(schema, must)}")
    return "\n".join(lines)


def calls_text(calls: Sequence[PendingCall]) -> str:
    """The calls that a person is asked to approve, numbered where there are several.

    Their arguments as far as they fit; of a fan-out those of its first items, where known.
    """
    lines = []
    for number, call in enumerate(calls, start=1):
        count = f" of {len(call.items):,}" if call.items else ""
        each = f", for each item{count}" if call.for_each else ""
        prefix = f"{number}. " if len(calls) > 1 else ""
        lines.append(f"  {prefix}{call.step_id}: {call.tool} ({call.effect.value}{each})")
        if call.reason is not None:
            lines.append(f"      asked because: {one_line(call.reason)}")
        if call.items:
            lines += [f"      {_shown(item)}" for item in call.items[:MOST_ITEMS]]
            if len(call.items) > MOST_ITEMS:
                lines.append(f"      and {len(call.items) - MOST_ITEMS:,} more")
            continue
        lines += [
            f"      {name} = {_shown(value)}"
            for name, value in list(call.arguments.items())[:MOST_ARGUMENTS]
        ]
        if len(call.arguments) > MOST_ARGUMENTS:
            lines.append(f"      and {len(call.arguments) - MOST_ARGUMENTS:,} more")
    return "\n".join(lines)


def _shown(value: JsonValue) -> str:
    text = compact_json(value)
    if len(text) <= LONGEST_ARGUMENT:
        return text
    return f"{text[:LONGEST_ARGUMENT]}… ({len(text):,} characters)"


def _argument(schema: JsonValue, must: bool) -> str:
    if not isinstance(schema, dict):
        return "anything"
    text = _type(schema)
    if not must:
        text += f", default {one_line(compact_json(schema.get('default')), 40)}"
    about = schema.get("description")
    return f"{text}. {one_line(about, 160)}" if isinstance(about, str) else text


def _type(schema: dict[str, JsonValue]) -> str:
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return f"list of {_type(items)}" if isinstance(items, dict) and items else "list"
    if isinstance(kind, str):
        return kind
    options = schema.get("anyOf")
    if isinstance(options, list):
        return " or ".join(_type(option) for option in options if isinstance(option, dict))
    choices = schema.get("enum")
    if isinstance(choices, list):
        return "one of " + ", ".join(one_line(compact_json(choice), 20) for choice in choices[:8])
    return "anything"
