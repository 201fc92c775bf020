"""One attempt to have a call answered by one engine, up to the first byte of the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import anyio
import httpx

from treadle.core.json_value import storable_json
from treadle.serving.router.dialect import forwarded_headers, translated
from treadle.serving.router.engine_client import EngineClient
from treadle.serving.router.errors import RouterError
from treadle.serving.router.intake import Errand
from treadle.serving.router.relay import Reply

_TRY_ELSEWHERE = (429, 503)
_LARGEST_REFUSAL = 1024 * 1024


class AttemptFailed(Exception):
    """The engine computed nothing for this call: another may be tried.

    unreachable: whether it could not even be connected to. answer: what it said instead, where
    it did answer; to be passed on where there is no other engine.
    """

    def __init__(self, reason: str, *, unreachable: bool = False, answer: Reply | None = None):
        super().__init__(reason)
        self.reason = reason
        self.unreachable = unreachable
        self.answer = answer


async def attempt(
    errand: Errand,
    client: EngineClient,
    path: str,
    body: Mapping[str, object],
    content: bytes,
    headers: Mapping[str, str],
) -> Reply:
    """Send a call to an engine and wait for the first piece of its reply.

    body, content: the request, parsed and as it came.

    Raises AttemptFailed, and RouterError (`engine_timeout`, 504) for an engine that took the
    call and is silent: it may be computing, so that nobody else is asked to compute it too.
    """
    changed = translated(body, errand.facts, client.engine, errand.model)
    sent = content if changed is None else storable_json(changed).encode()
    try:
        response = await client.send(
            path, forwarded_headers(headers, errand.facts, client.engine, client.key), sent
        )
    except httpx.ConnectError as error:
        raise AttemptFailed(f"cannot be reached ({error})", unreachable=True) from error
    except httpx.ConnectTimeout as error:
        # Perhaps it is only slow, or this router is: the health check decides.
        raise AttemptFailed("cannot be reached in time") from error
    except httpx.TimeoutException as error:
        raise _silent(client) from error
    except httpx.TransportError as error:
        raise AttemptFailed(f"broke off before its reply ({error})") from error
    try:
        return await _begun(response, client)
    except BaseException:
        await closed(response)
        raise


async def _begun(response: httpx.Response, client: EngineClient) -> Reply:
    rest = response.aiter_raw()
    if response.status_code in _TRY_ELSEWHERE:
        answer = Reply(response, await _refusal(rest), _nothing())
        raise AttemptFailed(f"answered {response.status_code}", answer=answer)
    try:
        first = await anext(rest, b"")
    except httpx.TimeoutException as error:
        raise _silent(client) from error
    except httpx.TransportError as error:
        raise AttemptFailed(f"broke off before its reply ({error})") from error
    reply = Reply(response, first, rest)
    if reply.is_stream and not first:
        raise AttemptFailed("ended its reply before the first byte")
    return reply


async def closed(response: httpx.Response) -> None:
    """Close `response`, also where the task is cancelled; that tells the engine to stop."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(2.0):
        await response.aclose()


async def _refusal(pieces: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    try:
        async for piece in pieces:
            content += piece
            if len(content) > _LARGEST_REFUSAL:
                break
    except httpx.TransportError:
        # The status says enough.
        return b""
    return bytes(content)


async def _nothing() -> AsyncIterator[bytes]:
    for piece in tuple[bytes, ...]():
        yield piece


def _silent(client: EngineClient) -> RouterError:
    return RouterError(
        "engine_timeout",
        f"engine {client.name} took the call and sent nothing in time; it was not tried elsewhere",
        status=504,
    )
