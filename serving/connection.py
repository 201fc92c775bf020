"""The HTTP client behind a model, with limits on what a server may send."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

import httpx2
import openai

from treadle.core.errors import ModelError
from treadle.serving.hints import Backend

NO_KEY = "unused"
"""What is sent to servers that want no key; the client library insists on one."""

LARGEST_EVENT = 16 * 1024 * 1024
LARGEST_DOCUMENT = 4 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 600.0


def make_client(
    base_url: str, api_key: str | None, headers: Mapping[str, str], backend: Backend
) -> openai.AsyncOpenAI:
    """A client for one server. Takes tens of milliseconds: call it in a thread.

    Nothing is taken from the environment but proxies: a key or an organisation that is meant for
    OpenAI must not reach another server. Redirects are not followed, so that neither does a prompt.
    """
    loopback = _is_loopback(urlsplit(base_url).hostname or "")
    http_client = httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=not loopback,
        event_hooks={"response": [_limit]},
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
        timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
    )
    key = api_key or NO_KEY
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        # Compressed replies would get past the limits on their size.
        default_headers={
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {key}",
            **headers,
        },
        http_client=http_client,
        timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
    )
    if backend != "openai":
        client.organization = None
        client.project = None
    return client


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _limit(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ModelError(
            "model_malformed_reply",
            f"{response.url.host} sent a compressed reply without being asked to; switch off "
            f"compression in the server or the proxy before it",
        )
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    kind = response.headers.get("content-type", "")
    streamed = response.status_code == 200 and not kind.startswith("application/json")
    response.stream = _Limited(response.stream, response.url.host, streamed=streamed)


class _Limited(httpx2.AsyncByteStream):
    """The bytes of a response; ends the call when they could fill the memory."""

    def __init__(self, stream: httpx2.AsyncByteStream, host: str, *, streamed: bool) -> None:
        self._stream = stream
        self._host = host
        self._streamed = streamed
        self._limit = LARGEST_EVENT if streamed else LARGEST_DOCUMENT

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = 0
        tail = b""
        async for chunk in self._stream:
            held += len(chunk)
            # The decoder lets go of what it holds at the empty line that ends an event.
            joined = tail + chunk
            if self._streamed and any(end in joined for end in (b"\n\n", b"\r\n\r\n", b"\r\r")):
                held = 0
            tail = joined[-3:]
            if held > self._limit:
                raise ModelError(
                    "model_malformed_reply",
                    f"{self._host} sent more than {self._limit:,} bytes in one piece; "
                    f"the call was given up",
                )
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
