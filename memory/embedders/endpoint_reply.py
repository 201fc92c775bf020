"""A limit on what an endpoint may send."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2

from treadle.core.errors import ModelError

LARGEST_REPLY = 32 * 1024 * 1024
"""Bytes: 64 vectors of 8,192 numbers, and twenty characters for each of them, are 11 MB."""


def limited(response: httpx2.Response) -> None:
    """For the client's hook on responses: refuse compressed ones, and stop those without an end."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ModelError(
            "model_malformed_reply",
            f"{response.url.host} sent a compressed reply without being asked to; switch off "
            "compression in the server or the proxy before it",
        )
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Limited(response.stream, response.url.host)


class _Limited(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, host: str) -> None:
        self._stream = stream
        self._host = host

    def __iter__(self) -> Iterator[bytes]:
        held = 0
        for chunk in self._stream:
            held += len(chunk)
            if held > LARGEST_REPLY:
                raise ModelError(
                    "model_malformed_reply",
                    f"{self._host} sent more than {LARGEST_REPLY:,} bytes; the call was given up",
                )
            yield chunk

    def close(self) -> None:
        self._stream.close()
