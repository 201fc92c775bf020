"""Whether a call can ever run."""

from __future__ import annotations

from treadle.core.errors import InputError
from treadle.serving.simulator.engine import Request
from treadle.serving.simulator.hardware import Hardware


def refuse_what_never_fits(request: Request, hardware: Hardware) -> None:
    """Raises InputError `pool_too_small` for a call that is larger than the pool: vLLM's
    scheduler would let it wait for ever, and all that come after it."""
    context = request.call.prompt_tokens + request.output_tokens - 1
    block = hardware.block_tokens
    if -(-context // block) > hardware.pool_tokens // block:
        raise InputError(
            "pool_too_small",
            f"a call with {context:,} tokens never fits a pool of {hardware.pool_tokens:,}: "
            f"give it a larger pool",
        )
