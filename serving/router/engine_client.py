"""The HTTP connections to one engine."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from treadle.serving.router.config import EngineConfig, LimitsConfig

_SHARDS = 8
# Servers close idle connections after five seconds (uvicorn) or more: ours are given up before
# that, or a request would now and then meet a connection that is just being closed.
_POOL = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=3.0)
_LARGEST_ANSWER = 4 * 1024 * 1024
_DEFAULT_KV_TOKENS = 100_000
_UNBOUNDED = 1_000_000_000
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class EngineClient:
    """Sends requests to one engine; nothing is taken from the environment, nothing redirected."""

    def __init__(self, engine: EngineConfig, key: str | None, limits: LimitsConfig) -> None:
        self.engine = engine
        self.key = key
        self.models: tuple[str, ...] = engine.models
        # A service in the cloud has a pool too, but it is not for its clients to run out of it.
        unknown = _UNBOUNDED if engine.backend == "openai" else _DEFAULT_KV_TOKENS
        self.kv_tokens = engine.kv_tokens or unknown
        self._limits = limits
        self._root = engine.url.removesuffix("/v1")
        timeout = httpx.Timeout(limits.idle_seconds, connect=limits.connect_seconds, pool=None)
        # The time that a pool takes to find a connection grows with their number, so that one
        # pool for a thousand streams spends more on that than on the streams.
        tls = _tls(engine.url)
        self._clients = [
            httpx.AsyncClient(
                timeout=timeout,
                limits=_POOL,
                follow_redirects=False,
                trust_env=False,
                verify=tls,
            )
            for _ in range(_SHARDS)
        ]
        self._next = 0

    @property
    def name(self) -> str:
        return self.engine.name

    async def send(self, path: str, headers: Mapping[str, str], content: bytes) -> httpx.Response:
        """POST to `path` below /v1; the body of the response is still to be read.

        Raises httpx.TransportError.
        """
        self._next = (self._next + 1) % _SHARDS
        client = self._clients[self._next]
        raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
        request = client.build_request(
            "POST",
            self.engine.url + path,
            headers=raw,
            content=content,
            timeout=httpx.Timeout(
                self._limits.idle_seconds,
                read=self._limits.first_byte_seconds,
                connect=self._limits.connect_seconds,
                pool=None,
            ),
        )
        return await client.send(request, stream=True)

    async def alive(self) -> bool:
        """Whether the engine answers its health check within the time between two checks."""
        stock = self.engine.backend in ("stock", "openai")
        url = self.engine.url + "/models" if stock else self._root + "/health"
        try:
            answer = await self._get(url)
        except httpx.HTTPError:
            return False
        # A server that wants another key, or has no such page, is there.
        return answer.status_code < 500

    async def learn(self) -> None:
        """Ask for what the configuration does not say: the models and the size of the KV pool.

        What the engine does not tell stays as it is.
        """
        try:
            if not self.engine.models:
                answer = await self._get(self.engine.url + "/models")
                if answer.status_code == 200:
                    self.models = _model_ids(answer) or self.models
            if self.engine.kv_tokens is None and self.engine.backend == "vllm":
                answer = await self._get(self._root + "/metrics")
                self.kv_tokens = _pool_tokens(answer.text) or self.kv_tokens
        except httpx.HTTPError:
            # It is gone again; the next health check says so.
            return

    async def end_program(self, program_id: str) -> int | None:
        """Tell the plugin that a program is over; the status of its answer, None for no answer."""
        url = f"{self._root}/treadle/programs/{quote(program_id, safe='')}/end"
        try:
            answer = await self._clients[0].post(
                url, headers=self._authorization(), timeout=self._limits.connect_seconds
            )
        except httpx.HTTPError:
            return None
        return answer.status_code

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.aclose()

    async def _get(self, url: str) -> httpx.Response:
        """A small document; raises httpx.HTTPError, also for one that is not small."""
        client = self._clients[0]
        request = client.build_request(
            "GET", url, headers=self._authorization(), timeout=self._limits.connect_seconds
        )
        answer = await client.send(request, stream=True)
        try:
            content = bytearray()
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > _LARGEST_ANSWER:
                    raise httpx.DecodingError("the answer is too large", request=request)
        finally:
            await answer.aclose()
        return httpx.Response(answer.status_code, content=bytes(content))

    def _authorization(self) -> dict[str, str]:
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}


def _tls(url: str) -> ssl.SSLContext:
    """One for all clients; reading the certificates of all authorities takes 30 ms."""
    if url.startswith("https:"):
        return httpx.create_ssl_context(trust_env=False)
    # Trusts nobody, and is not asked: there is no redirect that would lead to https.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _model_ids(answer: httpx.Response) -> tuple[str, ...]:
    try:
        document = json.loads(answer.content)
        listed = document["data"]
        return tuple(each["id"] for each in listed if isinstance(each["id"], str))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def _pool_tokens(metrics: str) -> int | None:
    """The size of vLLM's KV pool: blocks times their size, from its metric cache_config_info."""
    for line in metrics.splitlines():
        if line.startswith("vllm:cache_config_info{"):
            labels = dict(_LABEL.findall(line))
            try:
                tokens = int(labels["num_gpu_blocks"]) * int(labels["block_size"])
            except (KeyError, ValueError):
                return None
            return tokens if tokens > 0 else None
    return None
