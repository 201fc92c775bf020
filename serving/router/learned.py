"""What the gate learns of calls in general while it goes on."""

from __future__ import annotations

_WEIGHT = 0.02
_OUTPUT_TOKENS = 200.0
_CALL_SECONDS = 5.0


class Learned:
    """Moving averages over the calls that ended; they start at plain guesses."""

    def __init__(self) -> None:
        self._output_tokens = _OUTPUT_TOKENS
        self._call_seconds = _CALL_SECONDS
        self._seen = 0

    @property
    def output_tokens(self) -> float:
        """How much a call generates."""
        return self._output_tokens

    @property
    def call_seconds(self) -> float:
        """How long a call takes once it was sent."""
        return self._call_seconds

    def observe(self, output_tokens: int, seconds: float) -> None:
        """A call ended."""
        self._seen += 1
        # The first calls count fully, or the guess would stay for a long time.
        weight = max(_WEIGHT, 1 / (self._seen + 1))
        self._output_tokens += weight * (output_tokens - self._output_tokens)
        self._call_seconds += weight * (seconds - self._call_seconds)
