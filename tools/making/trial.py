"""Running the code of a made tool, in the sandbox and nowhere else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.making.made_tool import Example
from treadle.tools.sandbox.contract import CodeRunner, SandboxLimits

_SHOWN = 500  # characters of what code from a model wrote


async def run_source(
    runner: CodeRunner,
    source: str,
    function: str,
    arguments: Mapping[str, JsonValue],
    limits: SandboxLimits | None = None,
) -> JsonValue:
    """What `function` of `source` gives for `arguments`.

    Raises ToolError: `made_tool_failed` where it does not end well, `sandbox_refused` where the
    sandbox does not begin.
    """
    # As one literal: whatever the arguments hold, they stay data.
    given = json.dumps(dict(arguments), allow_nan=False)
    code = f"{source}\n\n{function}(**__import__('json').loads({given!r}))\n"
    result = await runner.run(code, limits=limits)
    if result.status == "refused":
        raise ToolError("sandbox_refused", f"the sandbox refused to run '{function}'"
                        f": {_tail(result.reason)}")  # fmt: skip
    if result.status != "ok":
        why = _tail(result.stderr or result.reason)
        raise ToolError("made_tool_failed", f"'{function}' ended with {result.status}: {why}")
    return result.value


async def broken_examples(
    runner: CodeRunner,
    source: str,
    function: str,
    examples: Iterable[Example],
    limits: SandboxLimits | None = None,
) -> list[str]:
    """For each example that does not hold, what came instead. Raises `sandbox_refused`."""
    found: list[str] = []
    for example in examples:
        shown = json.dumps(example.arguments)[:_SHOWN]
        try:
            value = await run_source(runner, source, function, example.arguments, limits)
        except ToolError as error:
            if error.code != "made_tool_failed":
                raise
            found.append(f"with {shown}: {error.message}")
            continue
        if not same(value, example.result):
            found.append(
                f"with {shown} it gave {json.dumps(value)[:_SHOWN]}, and the example says "
                f"{json.dumps(example.result)[:_SHOWN]}"
            )
    return found


def same(first: JsonValue, second: JsonValue) -> bool:
    """Whether two JSON values are equal: truth values are no numbers, floats nearly equal."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, int | float) and isinstance(second, int | float):
        if isinstance(first, int) and isinstance(second, int):
            return first == second
        try:
            return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)
        except OverflowError:
            return False
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return type(first) is type(second) and first == second


def _tail(text: str) -> str:
    """The end of `text`, which may come from hostile code: printable characters only."""
    last = " ".join(text[-_SHOWN:].split())
    return "".join(each if each.isprintable() else "?" for each in last) or "no reason given"
