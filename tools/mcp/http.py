"""The protocol over streamable HTTP: bounded answers, the certificate that was agreed on."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from treadle.core.errors import ToolError
from treadle.tools.mcp.config import HttpTransport, McpServer, with_variables

if TYPE_CHECKING:
    import httpx2
    from mcp.client import Transport


def http_transport(
    server: McpServer, transport: HttpTransport, environment: Mapping[str, str], most_bytes: int
) -> Transport:
    """The transport for a client of the MCP SDK. Raises ConfigError (`mcp_missing_variable`)."""
    headers = with_variables(server.name, transport.headers, environment, secret=True)
    made: AbstractAsyncContextManager[Any] = _streams(server, transport, headers, most_bytes)
    return made


@asynccontextmanager
async def _streams(
    server: McpServer, transport: HttpTransport, headers: Mapping[str, str], most_bytes: int
) -> AsyncIterator[tuple[Any, Any]]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    verify = ssl.create_default_context()
    if transport.certificate is not None:
        verify = _only(transport.certificate)
    timeout = httpx2.Timeout(server.start_seconds, read=server.timeout + 5.0)
    # Neither a proxy nor a .netrc of the environment: what is sent goes where the config says.
    client = httpx2.AsyncClient(
        headers=dict(headers),
        timeout=timeout,
        trust_env=False,
        transport=_bounded(httpx2.AsyncHTTPTransport(verify=verify, trust_env=False), most_bytes),
    )
    async with (
        client,
        streamable_http_client(
            transport.url, http_client=client, max_sse_event_size=most_bytes
        ) as streams,
    ):
        yield streams


def _only(certificate: str) -> ssl.SSLContext:
    """A context that takes one certificate, whoever has signed it."""

    class Checked(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            shown = hashlib.sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != certificate:
                raise ssl.SSLCertVerificationError(f"the server shows the certificate {shown}")

    context = ssl.create_default_context()
    # The hash says all that a signature could: a server may well have signed its own.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslobject_class = Checked
    return context


def _bounded(inner: httpx2.AsyncBaseTransport, most_bytes: int) -> httpx2.AsyncBaseTransport:
    """`inner`, whose answers end in an error where they are too long; streams of events are not
    counted here: each event is, where it is read."""
    import httpx2

    class Body(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            count = 0
            async for block in self._stream:
                count += len(block)
                if count > most_bytes:
                    raise ToolError(
                        "mcp_result_too_large", f"an answer has more than {most_bytes:,} bytes"
                    )
                yield block

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Bounded(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            # Else a few bytes could unpack into many.
            request.headers["accept-encoding"] = "identity"
            response = await inner.handle_async_request(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise ToolError("mcp_bad_result", "the server packs what was not to be packed")
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                assert isinstance(response.stream, httpx2.AsyncByteStream)
                response.stream = Body(response.stream)
            return response

        async def aclose(self) -> None:
            await inner.aclose()

    return Bounded()
