"""The router as a web application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from treadle.core.clock import Clock, SystemClock
from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.router.config import RouterConfig
from treadle.serving.router.dispatcher import Dispatcher
from treadle.serving.router.door import Door, key_from
from treadle.serving.router.engine_client import EngineClient
from treadle.serving.router.errors import RouterError, openai_error
from treadle.serving.router.gate import GateLimits, ProgramGate
from treadle.serving.router.health import HealthChecks
from treadle.serving.router.intake import Intake, scoped_program
from treadle.serving.router.lane import Upstream
from treadle.serving.router.metrics import RouterMetrics
from treadle.serving.router.policies import policy_factory
from treadle.serving.router.proxy import Proxy

_PASSED_ON = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings")
_LAST_WORDS_SECONDS = 2.0


class Router:
    """The parts of one router, put together."""

    def __init__(
        self,
        config: RouterConfig,
        *,
        environment: Mapping[str, str],
        clock: Clock,
        make_policy: Callable[[], SchedulingPolicy],
    ) -> None:
        limits = config.limits
        self.config = config
        self.drained = False
        self._stopping = asyncio.Event()
        self.clients = {
            engine.name: EngineClient(
                engine,
                None if engine.key_env is None else key_from(environment, engine.key_env),
                limits,
            )
            for engine in config.engines
        }
        self.gate = ProgramGate(
            [
                Upstream(client.name, client.kv_tokens, client.engine.max_in_flight)
                for client in self.clients.values()
            ],
            make_policy,
            limits=GateLimits(
                max_waiting=limits.max_waiting,
                spill_seconds=limits.spill_seconds,
                program_idle_seconds=limits.program_idle_seconds,
                urgency_horizon=limits.urgency_horizon,
                fair_quantum=limits.fair_quantum,
            ),
            weights={tenant.name: tenant.weight for tenant in config.tenants},
        )
        self.metrics = RouterMetrics(self.gate, self.clients)
        self.dispatcher = Dispatcher(self.gate, clock, self.metrics.wait.observe)
        self.health = HealthChecks(self.clients, self.dispatcher, clock, limits.health_seconds)
        self.door = Door(config, environment)
        self.proxy = Proxy(
            limits=limits,
            clients=self.clients,
            dispatcher=self.dispatcher,
            intake=Intake(config, tuple(self.clients.values()), clock.monotonic),
            door=self.door,
            health=self.health,
            metrics=self.metrics,
            clock=clock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Check the engines, then go on checking them; close everything in the end."""
        await self.health.check_all()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self.health.run)
                group.start_soon(self._drain_when_told)
                yield
                group.cancel_scope.cancel()
        finally:
            self.dispatcher.close()
            with anyio.CancelScope(shield=True), anyio.move_on_after(5.0):
                for client in self.clients.values():
                    await client.close()

    def drain(self) -> None:
        """Take nothing new, let what runs finish, end what is not done in time: `drained`."""
        self.proxy.draining = True
        self._stopping.set()

    async def _drain_when_told(self) -> None:
        await self._stopping.wait()
        with anyio.move_on_after(self.config.limits.drain_seconds):
            await self.proxy.until_idle()
        self.proxy.cut_all()
        with anyio.move_on_after(_LAST_WORDS_SECONDS):
            await self.proxy.until_idle()
        self.drained = True

    async def health_page(self, _: Request) -> Response:
        """Whether the router can serve: 200, or 503 while it drains or no engine is up."""
        engines = {name: self.gate.is_up(name) for name in self.clients}
        ready = any(engines.values()) and not self.proxy.draining
        status = "draining" if self.proxy.draining else "ok" if ready else "no engine is up"
        return JSONResponse(
            {"status": status, "engines": engines}, status_code=200 if ready else 503
        )

    async def metrics_page(self, _: Request) -> Response:
        """Figures for Prometheus."""
        return Response(self.metrics.page(), media_type="text/plain; version=0.0.4")

    async def models_page(self, request: Request) -> Response:
        """The models of all engines that are up."""
        self.door.tenant(request.headers)
        owners: dict[str, str] = {}
        for name, client in self.clients.items():
            if self.gate.is_up(name):
                for model in client.models:
                    owners.setdefault(model, name)
        listed = [
            {"id": model, "object": "model", "created": 0, "owned_by": owner}
            for model, owner in owners.items()
        ]
        return JSONResponse({"object": "list", "data": listed})

    async def end_page(self, request: Request) -> Response:
        """End a program: here, and at the engines whose plugin has to know."""
        tenant = self.door.tenant(request.headers)
        program_id = scoped_program(request.path_params["program_id"], tenant)
        known = self.dispatcher.ended(program_id)
        told: dict[str, int | None] = {}
        for name, client in self.clients.items():
            if client.engine.plugin and self.gate.is_up(name):
                told[name] = await client.end_program(program_id)
        return JSONResponse({"program": program_id, "known": bool(known), "engines": told})


def make_app(
    config: RouterConfig,
    *,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    make_policy: Callable[[], SchedulingPolicy] | None = None,
) -> Starlette:
    """The ASGI application; its `state.router` is the Router.

    environment: where keys come from, `os.environ` by default. make_policy: in place of what
    `config.policy` names.

    Raises ConfigError (`no_router_key`).
    """
    router = Router(
        config,
        environment=os.environ if environment is None else environment,
        clock=clock or SystemClock(),
        make_policy=make_policy or policy_factory(config.policy),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with router.running():
            yield

    app = Starlette(
        routes=[
            *(Route(path, router.proxy, methods=["POST"]) for path in _PASSED_ON),
            Route("/v1/models", router.models_page),
            Route("/health", router.health_page),
            Route("/metrics", router.metrics_page),
            Route("/treadle/programs/{program_id:path}/end", router.end_page, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, RouterError: _refused},
        lifespan=lifespan,
    )
    app.state.router = router
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no_such_path", 405: "bad_method"}.get(error.status_code, "http_error")
    message = f"{request.method} {request.url.path}: {error.detail}"
    content = openai_error(code, message, error.status_code)
    return JSONResponse(content, error.status_code, headers=error.headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RouterError)
    return JSONResponse(error.as_openai(), error.status)
