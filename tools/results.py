"""What a result must be before it counts: not too large, and as its tool's own check wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue, compact_json
from treadle.tools.undoing import bounded, is_async

VERIFY_SECONDS = 60.0
"""How long a check may take where its tool has no timeout."""


def check_size(name: str, output: JsonValue, limit: int) -> None:
    """Refuse an `output` of more than `limit` bytes as JSON.

    Raises ToolError (`result_too_large`).
    """
    if isinstance(output, bool | int | float | None):
        return
    if isinstance(output, str) and len(output) > limit:
        size = len(output)
    else:
        size = len(compact_json(output).encode("utf-8", "surrogatepass"))
    if size > limit:
        raise ToolError(
            "result_too_large",
            f"'{name}' gave {size:,} bytes, at most {limit:,} are taken; ask for less of it",
        )


async def check_verified(
    name: str,
    verify: Callable[..., object],
    output: JsonValue,
    arguments: Mapping[str, object],
    timeout: float | None,
) -> None:
    """Raises ToolError (`not_verified`) where `verify` says that `output` does not count.

    `verify_failed` where it raises or takes too long, or a ToolError of its own.
    """
    verdict = await bounded(
        partial(verify, output, **arguments),
        asynchronous=is_async(verify),
        seconds=timeout or VERIFY_SECONDS,
        code="verify_failed",
        title=f"the check of what '{name}' gave",
    )
    if verdict is False:
        raise ToolError(
            "not_verified", f"what '{name}' gave does not pass its check", retryable=True
        )
