"""How many tokens a prompt has, before its engine has counted them."""

from __future__ import annotations

from treadle.core.prompt_estimate import BYTES_PER_TOKEN

_WEIGHT = 0.1
_BOUNDS = (0.2, 5.0)


class TokenEstimate:
    """Bytes to tokens, corrected by what engines report; one factor for each model."""

    def __init__(self, models: int = 100) -> None:
        self._factors: dict[str, float] = {}
        self._models = models

    def tokens(self, prompt: str, model: str) -> int:
        """Tokens of `prompt`, at least 1."""
        return max(1, int(self._plain(prompt) * self._factors.get(model, 1.0)))

    def per_character(self, model: str) -> float:
        """Tokens of a character of English text."""
        return self._factors.get(model, 1.0) / BYTES_PER_TOKEN

    def learn(self, prompt: str, model: str, tokens: int) -> None:
        """An engine counted `tokens`."""
        plain = self._plain(prompt)
        if not tokens or plain < 1:
            return
        known = self._factors.get(model)
        if known is None and len(self._factors) >= self._models:
            return
        low, high = _BOUNDS
        seen = min(high, max(low, tokens / plain))
        self._factors[model] = seen if known is None else known + _WEIGHT * (seen - known)

    def _plain(self, prompt: str) -> float:
        size = len(prompt) if prompt.isascii() else len(prompt.encode("utf-8", "surrogatepass"))
        return size / BYTES_PER_TOKEN
