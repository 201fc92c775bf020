"""What can go wrong between a client and a model server, to order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "status", "raw", "cut", "truncated", "silence", "stall", "endless", "event", "empty"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """A scripted failure of `ScriptedOpenAIServer`; make one with the class methods."""

    kind: Kind
    code: int = 200
    body: object = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def status(
        cls, code: int, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Fault:
        """Answer with an HTTP status; a `body` that is no text is sent as JSON."""
        if body is None:
            body = {"error": {"message": f"scripted status {code}", "type": "scripted"}}
        return cls("status", code=code, body=body, headers=dict(headers or {}))

    @classmethod
    def wrong_content_type(
        cls, body: str = "<html>Welcome</html>", content_type: str = "text/html"
    ) -> Fault:
        """Answer 200 with something that is no event stream, as a proxy's login page does."""
        return cls("status", body=body, headers={"Content-Type": content_type})

    @classmethod
    def raw(cls, body: str | bytes, content_type: str = "text/event-stream") -> Fault:
        """Send these very bytes as the response's body."""
        return cls("raw", body=body, headers={"Content-Type": content_type})

    @classmethod
    def cut(cls, text: str = "The first half") -> Fault:
        """Drop the connection after `text`."""
        return cls("cut", text=text)

    @classmethod
    def truncated(cls, text: str = "The first half") -> Fault:
        """End the stream properly after `text`, but without a finish reason."""
        return cls("truncated", text=text)

    @classmethod
    def silence(cls) -> Fault:
        """Take the request and never answer."""
        return cls("silence")

    @classmethod
    def stall(cls, text: str = "The first half") -> Fault:
        """Send `text`, then nothing more, and keep the connection open."""
        return cls("stall", text=text)

    @classmethod
    def endless(cls, text: str = "and so on ") -> Fault:
        """Repeat `text` until the client gives up."""
        return cls("endless", text=text)

    @classmethod
    def malformed(cls, event: str = '{"choices": [{"delta"', text: str = "") -> Fault:
        """Send an event that is not what the protocol says, after `text`."""
        return cls("event", body=event, text=text)

    @classmethod
    def error_in_stream(cls, message: str = "the engine died", text: str = "") -> Fault:
        """Send an error object as an event of a stream that began with 200, after `text`."""
        return cls("event", body={"error": {"message": message, "code": 500}}, text=text)

    @classmethod
    def empty(cls) -> Fault:
        """Answer 200 with an event stream that has no events."""
        return cls("empty")
