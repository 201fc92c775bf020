"""Calls and outcomes of a few words, for policies that are driven by hand."""

from __future__ import annotations

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, ToolUse


def call(program: str, number: int = 0, *, at: float = 0.0, prompt: int = 100) -> Call:
    return Call(f"{program}.{number}", program, "", prompt, at)


def outcome(context: int = 120, *, tool: str = "Bash", last: bool = False) -> Outcome:
    return Outcome(context, 20, () if last else (ToolUse(tool),), last)


def pool(*, running: int = 0, capacity: int = 10_000) -> Pool:
    return Pool(capacity, running, 0, 0, 0)


def hold(program: str, tokens: int = 100, *, since: float = 0.0) -> Hold:
    return Hold(program, "", tokens, since, float("inf"))
