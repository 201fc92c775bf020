"""A request on its way: read, placed, sent, tried elsewhere if need be, and relayed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from starlette.types import Receive, Scope, Send

from treadle.core.clock import Clock
from treadle.serving.router.attempt import AttemptFailed, attempt, closed
from treadle.serving.router.client_connection import (
    ClientConnection,
    ClientGone,
    parsed_object,
)
from treadle.serving.router.config import LimitsConfig
from treadle.serving.router.dispatcher import Dispatcher
from treadle.serving.router.door import Door
from treadle.serving.router.engine_client import EngineClient
from treadle.serving.router.errors import RouterError
from treadle.serving.router.health import HealthChecks
from treadle.serving.router.intake import Errand, Intake
from treadle.serving.router.metrics import RouterMetrics
from treadle.serving.router.observer import Observed
from treadle.serving.router.relay import Relay, Reply, ReplyCut

_log = logging.getLogger("treadle.router")


@dataclass(frozen=True, slots=True)
class _Request:
    path: str
    body: Mapping[str, object]
    content: bytes
    headers: Mapping[str, str]


class Proxy:
    """The ASGI application behind the paths that are passed on to engines."""

    def __init__(
        self,
        *,
        limits: LimitsConfig,
        clients: Mapping[str, EngineClient],
        dispatcher: Dispatcher,
        intake: Intake,
        door: Door,
        health: HealthChecks,
        metrics: RouterMetrics,
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._clients = clients
        self._dispatcher = dispatcher
        self._intake = intake
        self._door = door
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._relays: set[Relay] = set()
        self._active = 0
        self._idle = asyncio.Event()
        self.draining = False

    async def until_idle(self) -> None:
        """Return when no request is under way."""
        while self._active:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def cut_all(self) -> None:
        """End every reply that still runs, each with an error that says why."""
        for relay in self._relays:
            relay.cut("router_draining", "the router shut down before the reply was complete")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = ClientConnection(scope, receive, send, self._limits.client_seconds)
        self._active += 1
        try:
            await self._answer(client)
        except RouterError as error:
            await self._refuse(client, error)
        except ClientGone:
            self._metrics.gone.inc()
        except Exception:  # noqa: BLE001 - a server's request: logged, answered, and no more
            _log.exception("a request to %s failed inside of the router", client.path)
            await self._refuse(
                client, RouterError("internal_error", "the router failed; see its log", status=500)
            )
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    async def _refuse(self, client: ClientConnection, error: RouterError) -> None:
        self._metrics.refusals.labels(error.code).inc()
        if client.started:
            # Too late for a status; without its end the reply is not taken for complete.
            return
        try:
            await client.refuse(error)
        except ClientGone:
            self._metrics.gone.inc()

    async def _answer(self, client: ClientConnection) -> None:
        if self.draining:
            raise RouterError(
                "router_draining", "the router shuts down", status=503, retry_after=5.0
            )
        tenant = self._door.tenant(client.headers)
        content = await client.body(self._limits.max_body_bytes)
        body = parsed_object(content)
        errand = self._intake.errand(body, client.headers, tenant)
        if errand.rule:
            self._metrics.rules.labels(errand.rule).inc()
        request = _Request(client.path.removeprefix("/v1"), body, content, client.headers)
        await self._while_connected(client, errand, request)

    async def _while_connected(
        self, client: ClientConnection, errand: Errand, request: _Request
    ) -> None:
        """Carry the errand out; stop the moment the client leaves."""
        failure: RouterError | ClientGone | None = None
        left = False
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                nonlocal left
                await client.disconnected()
                # After the end of the reply this is how a server says that all is done.
                left = not client.ended
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                await self._carry_out(client, errand, request)
            except (RouterError, ClientGone) as error:
                # Out of the group before it is raised, which would wrap it.
                failure = error
            finally:
                self._dispatcher.aborted(errand.call)
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if left:
            raise ClientGone

    async def _carry_out(self, client: ClientConnection, errand: Errand, request: _Request) -> None:
        name: str | None = await self._dispatcher.place(
            errand.call, errand.marks, errand.only, self._limits.wait_seconds
        )
        while name is not None:
            engine = self._clients[name]
            sent = self._clock.monotonic()
            try:
                reply = await attempt(
                    errand, engine, request.path, request.body, request.content, request.headers
                )
            except AttemptFailed as failed:
                self._blame(engine, failed)
                name = await self._dispatcher.place_again(errand.call, self._limits.wait_seconds)
                if name is not None:
                    self._metrics.retries.labels(engine.name).inc()
                    continue
                if failed.answer is None:
                    raise RouterError(
                        "engine_failed",
                        f"engine {engine.name} {failed.reason}, and there is no other to try",
                        status=502,
                        retry_after=2.0,
                    ) from failed
                reply = failed.answer
            else:
                self._dispatcher.answered(errand.call)
            waited = self._clock.monotonic() - sent
            self._metrics.first_byte.labels(engine.name).observe(waited)
            await self._relay(client, errand, engine, reply)
            return

    def _blame(self, engine: EngineClient, failed: AttemptFailed) -> None:
        _log.warning("engine %s %s", engine.name, failed.reason)
        if failed.unreachable:
            self._health.down(engine.name, failed.reason)
        if failed.answer is None:
            self._health.suspect(engine.name)

    async def _relay(
        self, client: ClientConnection, errand: Errand, engine: EngineClient, reply: Reply
    ) -> None:
        relay = Relay(engine.name, self._limits.idle_seconds)
        self._relays.add(relay)
        status = reply.response.status_code
        try:
            seen = await relay.pass_on(reply, client)
        except ReplyCut as cut:
            _log.warning("%s: %s", cut.code, cut.message)
            self._metrics.cut.labels(engine.name).inc()
            self._health.suspect(engine.name)
            if not client.started:
                raise RouterError(cut.code, cut.message, status=502) from cut
            return
        finally:
            self._relays.discard(relay)
            await closed(reply.response)
        self._metrics.replies.labels(engine.name, str(status)).inc()
        self._count(engine.name, seen)
        if status < 400 and not seen.failed:
            self._dispatcher.finished(errand.call, self._intake.outcome(errand, seen))

    def _count(self, engine: str, seen: Observed) -> None:
        for kind, tokens in (
            ("prompt", seen.prompt_tokens),
            ("cached", seen.cached_tokens),
            ("output", seen.output_tokens),
        ):
            if tokens:
                self._metrics.tokens.labels(engine, kind).inc(tokens)
