"""What a snippet came to."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue, compact_json


@dataclass(frozen=True, slots=True)
class SnippetOutcome:
    """How a snippet ended.

    value: of its last expression; None where it failed.
    printed: what it printed, cut at the limit.
    error: what ended it: `snippet_error` for the snippet's own (its message is what to mend),
        `snippet_limit` for a limit.
    calls: how many calls of tools it made.
    seconds: on the wall.
    """

    value: JsonValue = None
    printed: str = ""
    error: ErrorInfo | None = None
    calls: int = 0
    seconds: float = 0.0

    def for_model(self) -> str:
        """What the model that wrote the snippet is shown."""
        parts = [f"printed:\n{self.printed}"] if self.printed else []
        if self.error is not None:
            parts.append(f"error: {self.error}")
            if self.calls:
                made = "1 call was" if self.calls == 1 else f"{self.calls} calls were"
                parts.append(f"({made} made before that; what they did stays done)")
        else:
            parts.append(f"result: {compact_json(self.value)}")
        return "\n".join(parts)
