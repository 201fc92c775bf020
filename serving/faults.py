"""What went wrong between us and a model server, as a ModelError that says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.core.errors import ModelError

if TYPE_CHECKING:
    import openai

LONGEST_RETRY_AFTER = 20.0
"""Seconds that a rate-limited server may ask us to wait before we give up instead."""

_LONGEST_DETAIL = 300

# OpenAI, vLLM, SGLang, Ollama, llama.cpp and the usual gateways, in this order.
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length|max(?:imum)?[ _]model[ _]len|"
    r"longer than the model's context|context (?:window|length|size)|"
    r"exceed_context_size|prompt is too long|too many (?:input )?tokens|request too large",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[_ ]filter|content management policy|content_policy", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.IGNORECASE)
_LIMIT_TOO_LARGE = re.compile(
    r"max_(?:completion_)?tokens.*(?:too large|at most|greater|less than|exceed|maximum)",
    re.IGNORECASE,
)
_REFUSING = (400, 404, 415, 422, 501)


class RateLimited(ModelError):
    """`model_rate_limited`; `retry_after` is what the server asked for, in seconds."""

    def __init__(self, message: str, *, retryable: bool, retry_after: float | None) -> None:
        super().__init__("model_rate_limited", message, retryable=retryable)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Faults:
    """Turns what the `openai` client raises into ModelErrors.

    model: how messages name the model.
    url: how messages name the server.
    secrets: what must never show up in a message, whatever the server echoes.
    """

    model: str
    url: str
    secrets: tuple[str, ...]

    def clean(self, text: str) -> str:
        """`text` from a server as one short printable line without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = " ".join(text[: 20 * _LONGEST_DETAIL].split())
        text = "".join(character for character in text if character.isprintable())
        return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}..."

    def of_status(self, error: openai.APIStatusError) -> ModelError:
        """An HTTP status of 300 or more."""
        headers: Mapping[str, str] = error.response.headers
        retry_after = _seconds(headers.get("retry-after"))
        prefix = f"Error code: {error.status_code}"
        detail = error.message.removeprefix(prefix).removeprefix(" - ")
        if not detail:
            detail = _text_of(error.body) if error.body else "it does not say why"
        return self._fault(error.status_code, f"{error.code or ''}", detail, retry_after)

    def of_event(self, error: openai.APIError) -> ModelError:
        """An error object inside a stream that had begun with 200."""
        status = 500
        if error.code is not None and re.fullmatch(r"[45]\d\d", error.code):
            status = int(error.code)
        detail = error.message
        return self._fault(status, f"{error.code or ''} {error.type or ''}", detail, None)

    def _fault(self, status: int, code: str, detail: str, retry_after: float | None) -> ModelError:
        text = f"{code} {detail}"
        said = self.clean(detail)
        if status == 413 or (status >= 400 and status != 429 and _OVERFLOW.search(text)):
            return ModelError(
                "model_context_overflow",
                f"the request is too long for {self.model}: {said}; make the task or its inputs "
                f"smaller, or choose a model with a larger context",
            )
        if 400 <= status < 500 and _FILTERED.search(text):
            return ModelError(
                "model_content_filtered",
                f"{self.model}: the content filter of {self.url} refused: {said}; reword the task",
            )
        if status in (401, 403):
            return ModelError(
                "model_bad_key",
                f"{self.url} refused the API key for {self.model} ({status}): {said}; check the "
                f"key (TREADLE_API_KEY, or the provider's own variable)",
            )
        if status == 404:
            return ModelError(
                "model_not_found",
                f"{self.url} knows no {self.model}, or is no such API: {said}; check the model's "
                f"name and the base URL (it usually ends in /v1)",
            )
        if status == 408:
            return self.timeout()
        if status == 429:
            return self._rate_limited(text, said, retry_after)
        if status >= 500:
            return ModelError(
                "model_server_error",
                f"{self.model} failed at {self.url} ({status}): {said}; try again, or look at the "
                f"server's log",
                retryable=True,
            )
        if status < 400:
            said = f"it redirects elsewhere ({status}), which is not followed; configure that URL"
        return ModelError("model_bad_request", f"{self.url} refused the request: {said}")

    def _rate_limited(self, text: str, said: str, retry_after: float | None) -> ModelError:
        spent = _QUOTA.search(text) is not None
        advice = (
            "the account's quota is used up; raise it or use another key"
            if spent
            else "wait, lower --max-parallel, or raise the limit at the provider"
        )
        asked = "" if retry_after is None else f" (it asks to wait {retry_after:g} s)"
        message = f"{self.url} limits the calls of {self.model}{asked}: {said}; {advice}"
        return RateLimited(message, retryable=not spent, retry_after=retry_after)

    def unreachable(self, error: Exception) -> ModelError:
        """No connection, or none that gave an answer."""
        return ModelError(
            "model_unreachable",
            f"cannot reach {self.model} at {self.url}: {self.clean(_root(error))}; is the server "
            f"running, and is the base URL right?",
            retryable=True,
        )

    def cut(self, how: str) -> ModelError:
        """A reply that began and did not end."""
        return ModelError(
            "model_stream_cut",
            f"the reply of {self.model} broke off: {self.clean(how)}; try again, or look at the "
            f"server's log",
            retryable=True,
        )

    def timeout(self) -> ModelError:
        """The server took too long."""
        return ModelError(
            "model_timeout",
            f"{self.model} at {self.url} did not answer in time; try again with a smaller task or "
            f"a longer TREADLE_MODEL_TIMEOUT",
        )

    def malformed(self, what: str) -> ModelError:
        """A reply that is not what the protocol says."""
        return ModelError(
            "model_malformed_reply",
            f"{self.model} at {self.url} sent {self.clean(what)}; check that the base URL is that "
            f"of an OpenAI-compatible API (it usually ends in /v1)",
        )

    def filtered(self, what: str) -> ModelError:
        """A reply that was withheld."""
        return ModelError(
            "model_content_filtered", f"{self.model}: {self.clean(what)}; reword the task"
        )


def limit_too_large(fault: ModelError) -> bool:
    """Whether the request might pass without a limit on the reply's length.

    A server counts the limit towards its context, and a run's budget may be far larger than that.
    """
    return fault.code == "model_context_overflow" or (
        fault.code == "model_bad_request" and _LIMIT_TOO_LARGE.search(fault.message) is not None
    )


def refused_field(error: openai.APIStatusError, sent: Mapping[str, object]) -> str | None:
    """Which of the optional fields in `sent` the server says it does not take."""
    if error.status_code not in _REFUSING:
        return None
    text = _complaint(error)
    if _OVERFLOW.search(text):
        return None
    named = str(error.param or "")
    for name in sent:
        if named == name or named.startswith(f"{name}."):
            return name
    for name in sent:
        if re.search(rf"\b{re.escape(name)}\b", text):
            return name
    if "response_format" in sent and re.search(r"json[ _]schema", text, re.IGNORECASE):
        return "response_format"
    return None


def _complaint(error: openai.APIStatusError) -> str:
    """What the server complains about, without what it quotes of the request."""
    body = error.body
    details = body.get("detail") if isinstance(body, dict) else None
    if isinstance(details, list):
        # Validation errors of FastAPI, which quote the whole input.
        parts = [each for each in details if isinstance(each, dict)]
        return " ".join(f"{each.get('loc')} {each.get('msg')}" for each in parts)
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return error.message
    return f"{error.message} {_text_of(body)}"


def _text_of(body: object) -> str:
    return body if isinstance(body, str) else repr(body)


def _seconds(header: str | None) -> float | None:
    """A `Retry-After` in seconds; the form with a date is not used by model servers."""
    try:
        seconds = float(header) if header is not None else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _root(error: BaseException) -> str:
    """What the innermost error says that says anything."""
    said = str(error)
    current = error
    for _ in range(10):
        cause = current.__cause__ or current.__context__
        if cause is None:
            break
        current = cause
        said = str(current) or said
    return said
