"""What went wrong between us and an endpoint for embeddings, as a ModelError."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.core.errors import ModelError

if TYPE_CHECKING:
    import openai

_LONGEST_DETAIL = 300
_LONGEST_WAIT = 20.0
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length|too many (?:input )?tokens|"
    r"longer than|maximum (?:input|sequence) length|request too large",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.IGNORECASE)


class _RateLimited(ModelError):
    """`retry_after`: seconds that the server asks for; None where it does not."""

    def __init__(self, message: str, *, retryable: bool, retry_after: float | None) -> None:
        super().__init__("model_rate_limited", message, retryable=retryable)
        self.retry_after = retry_after


def worth_another_try(error: Exception) -> bool | float:
    """For stamina: whether to try again, and after how many seconds where the server says so."""
    if not isinstance(error, ModelError) or not error.retryable:
        return False
    if isinstance(error, _RateLimited) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= _LONGEST_WAIT else False
    return True


@dataclass(frozen=True, slots=True)
class EndpointFaults:
    """Turns what the `openai` client raises into ModelErrors.

    secrets: what must never show up in a message, whatever the server echoes.
    """

    model: str
    url: str
    secrets: tuple[str, ...]

    @property
    def where(self) -> str:
        """How messages name the model and its server."""
        return f"the embedder {self.model} at {self.url}"

    def of_status(self, error: openai.APIStatusError) -> ModelError:
        """An HTTP status of 300 or more."""
        status, said = error.status_code, self._clean(error.message)
        message = f"{self.where} answered {status}: {said}"
        if status == 429:
            spent = _QUOTA.search(f"{error.code} {error.message}") is not None
            wait = _seconds(error.response.headers.get("retry-after"))
            advice = "raise the quota" if spent else "wait, or raise the limit at the provider"
            return _RateLimited(f"{message}; {advice}", retryable=not spent, retry_after=wait)
        if status >= 500 or status == 408:
            code = "model_server_error" if status >= 500 else "model_timeout"
            return ModelError(code, f"{message}; try again", retryable=True)
        if status in (401, 403):
            return ModelError("model_bad_key", f"{message}; check the API key")
        if status == 404:
            return ModelError(
                "model_not_found",
                f"{message}; check the model's name and the base URL (it usually ends in /v1)",
            )
        if status == 413 or _OVERFLOW.search(f"{error.code} {error.message}"):
            return ModelError("model_context_overflow", f"{message}; the text is too long for it")
        return ModelError("model_bad_request", message)

    def timeout(self) -> ModelError:
        """The server took too long."""
        return ModelError(
            "model_timeout", f"{self.where} did not answer in time; try again", retryable=True
        )

    def unreachable(self, error: Exception) -> ModelError:
        """No connection, or none that gave an answer."""
        cause = error.__cause__ or error
        return ModelError(
            "model_unreachable",
            f"cannot reach {self.where}: {self._clean(str(cause))}; is the server running, and is "
            "the base URL right?",
            retryable=True,
        )

    def malformed(self, what: str) -> ModelError:
        """A reply that is not what the protocol says."""
        return ModelError(
            "model_malformed_reply",
            f"{self.where} sent {self._clean(what)}; check that the base URL is that of an "
            "OpenAI-compatible API (it usually ends in /v1)",
        )

    def _clean(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = "".join(each if each.isprintable() else " " for each in text[: 4 * _LONGEST_DETAIL])
        return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}..."


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header) if header is not None else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
