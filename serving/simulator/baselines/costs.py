"""What it takes to get a context's KV back: the profiles that published policies make offline."""

from __future__ import annotations

from treadle.serving.simulator.hardware import Hardware


def prefill_seconds(hardware: Hardware, tokens: int) -> float:
    """Seconds to prefill `tokens`, in chunks as large as a step, with nothing else running."""
    seconds = 0.0
    for begin in range(0, tokens, hardware.step_tokens):
        size = min(hardware.step_tokens, tokens - begin)
        seconds += hardware.step_seconds(size, size * (begin + size / 2), begin)
    return seconds


def return_seconds(hardware: Hardware, tokens: int) -> float:
    """Seconds until `tokens` that were evicted are back: reloaded where there is a CPU tier."""
    rate = hardware.reload_rate
    return prefill_seconds(hardware, tokens) if rate is None else tokens / rate
