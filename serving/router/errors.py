"""What the router refuses, with the HTTP status that it answers."""

from __future__ import annotations

from treadle.core.errors import TreadleError


class RouterError(TreadleError):
    """A request that the router itself does not carry out.

    status: the HTTP status of the answer.
    retry_after: seconds after which it is worth trying again; None where that is not known.
    """

    def __init__(
        self, code: str, message: str, *, status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.retry_after = retry_after

    def as_openai(self) -> dict[str, object]:
        """The error as OpenAI's clients expect it in the body of an answer."""
        return openai_error(self.code, self.message, self.status)


def openai_error(code: str, message: str, status: int) -> dict[str, object]:
    """`{"error": {...}}` as OpenAI's clients read it."""
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
