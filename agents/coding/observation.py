"""What a model is shown of an execution: short, and harmless as text."""

from __future__ import annotations

from dataclasses import replace

from treadle.tools.sandbox.contract import SandboxResult

MOST_SHOWN = 4_000
"""Characters of one output."""


def shortened(text: str, most: int = MOST_SHOWN) -> str:
    """`text` with its middle left out where it is long: what ends a traceback is at its end."""
    if len(text) <= most:
        return text
    head = most // 3
    left_out = len(text) - most
    return f"{text[:head]}\n[... {left_out:,} characters left out ...]\n{text[head - most :]}"


def observed(result: SandboxResult) -> str:
    """The outcome of an action, as the model reads it."""
    parts = []
    if result.stdout:
        parts.append(f"stdout:\n{shortened(result.stdout)}")
    if result.stderr:
        parts.append(f"stderr:\n{shortened(result.stderr)}")
    if result.value is not None:
        parts.append(f"value: {shortened(repr(result.value))}")
    if result.status != "ok":
        why = f": {result.reason}" if result.reason else ""
        parts.append(f"ended: {result.status}, exit code {result.exit_code}{why}")
    return "\n".join(parts) or "(it ended without output)"


def with_table(result: SandboxResult) -> SandboxResult:
    """The result of a session of SQL with its rows as text, one to a line."""
    match result.value:
        case {"columns": list(columns), "rows": list(rows), "more": more}:
            lines = [" | ".join(str(each) for each in columns)]
            lines += [
                " | ".join(str(each) for each in row) for row in rows if isinstance(row, list)
            ]
            if more:
                lines.append("(there are more rows)")
            return replace(result, stdout=result.stdout + "\n".join(lines), value=None)
    return result
