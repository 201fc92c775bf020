# pyright: reportMissingImports=false
"""Routes on the engine's own HTTP server: end a program, count programs, and our metrics.

vLLM loads this as an endpoint plugin (entry point group `vllm.endpoint_plugins`) where `treadle` is
named in VLLM_PLUGINS, as `treadle engine` does. It finds the rest by itself.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, cast

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import Headers, State
from starlette.responses import JSONResponse, Response

from treadle.core.errors import ConfigError
from treadle.serving.vllm_plugin.call_metadata import LONGEST_TEXT
from treadle.serving.vllm_plugin.counters import ProgramCounters
from treadle.serving.vllm_plugin.engine_calls import EngineCallError, EngineCalls, UtilityCalls
from treadle.serving.vllm_plugin.metrics import exposition

ASK_SECONDS = 10.0
"""How long a request waits for the engine, which answers between two of its steps."""

SCRAPE_SECONDS = 3.0
"""How long a scrape waits for it; scrapers give up after 10 s, and then vLLM's part is lost too."""

_STATUS = {"engine_without_scheduler": 501, "engine_silent": 504, "engine_failed": 503}


class EngineClient(Protocol):
    """What is used of vLLM's engine client."""

    @property
    def engine_core(self) -> UtilityCalls:
        """The client of the engine core, or cores."""
        ...


@dataclass(frozen=True, slots=True)
class _Served:
    """What the routes need; lies in the application's state.

    calls: None on a server without an engine (vLLM's render server).
    admits: whether a request's headers carry one of the server's API keys; None without keys.
    has_scheduler: whether the engine runs with our scheduler; what has not, is not asked again.
    """

    calls: EngineCalls | None
    admits: Callable[[Headers], bool] | None
    has_scheduler: bool


class ProgramEndpoints:
    """The endpoint plugin; vLLM makes one per server process."""

    name = "treadle"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes, and our metrics to what `/metrics` has already."""
        register_url_convertor("program_id", _AnyText())
        app.add_api_route(
            "/treadle/programs/{program_id:program_id}/end", end_program, methods=["POST"]
        )
        app.add_api_route("/treadle/programs", count_programs, methods=["GET"])
        app.add_api_route("/metrics", _with_ours(_metrics_of(app)), methods=["GET"])

    async def init_state(
        self, engine_client: EngineClient | None, state: State, args: Namespace
    ) -> None:
        """Remember how to reach the engine, and whether it runs with our scheduler."""
        calls = None if engine_client is None else EngineCalls(engine_client.engine_core)
        state.treadle = _Served(calls, _key_check(args), await _has_scheduler(calls))


class _AnyText(Convertor[str]):
    """Takes slashes, line ends and nothing at all, so that a malformed id is told as such."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


async def end_program(program_id: str, request: Request) -> Response:
    """End a program: its KV is freed at once, in every engine that this server manages.

    `{"program_id", "released_blocks"}`; 0 blocks for a program that is not known.
    """
    served = _served(request)
    if (refused := _refused(served, request)) is not None:
        return refused
    if (wrong := _malformed(program_id)) is not None:
        return _error(422, "bad_program_id", f"the program's id {wrong}")
    try:
        released = await _asked(served).end_program(program_id, ASK_SECONDS)
    except EngineCallError as error:
        return _error(_STATUS[error.code], error.code, error.message)
    return JSONResponse({"program_id": program_id, "released_blocks": released})


async def count_programs(request: Request) -> Response:
    """The scheduler's counts, summed up and per engine: `{"total": {...}, "engines": [...]}`."""
    served = _served(request)
    if (refused := _refused(served, request)) is not None:
        return refused
    try:
        counters = await _asked(served).counters(ASK_SECONDS)
    except EngineCallError as error:
        return _error(_STATUS[error.code], error.code, error.message)
    engines = [each.as_dict() for each in counters]
    total = {name: sum(each[name] for each in engines) for name in asdict(ProgramCounters())}
    return JSONResponse({"total": total, "engines": engines})


def _with_ours(theirs: Callable[[Request], Response]) -> Callable[..., object]:
    async def metrics(request: Request) -> Response:
        """vLLM's metrics, and ours."""
        response = await run_in_threadpool(theirs, request)
        if response.status_code != 200 or "content-encoding" in response.headers:
            return response
        ours = exposition(await _counted(_served(request)))
        kind = response.headers.get("content-type")
        return Response(bytes(response.body) + ours, headers={"content-type": kind or "text/plain"})

    return metrics


async def _counted(served: _Served) -> Sequence[ProgramCounters] | None:
    if served.calls is None or not served.has_scheduler:
        return None
    try:
        return await served.calls.counters(SCRAPE_SECONDS)
    except EngineCallError:
        return None  # the metrics say that it did not answer


def _metrics_of(app: FastAPI) -> Callable[[Request], Response]:
    for route in app.routes:
        if (
            isinstance(route, APIRoute)
            and route.path == "/metrics"
            and "GET" in (route.methods or ())
        ):
            return cast("Callable[[Request], Response]", route.endpoint)
    raise ConfigError(
        "engine_unsupported",
        "this vLLM serves its metrics in a way that Treadle does not know; start it without "
        "'treadle' in VLLM_PLUGINS, or install a version that is supported",
    )


def _key_check(args: Namespace) -> Callable[[Headers], bool] | None:
    """The check that vLLM's own routes under /v1 have; it does not look at other paths."""
    from vllm import envs
    from vllm.entrypoints.serve.middleware.authenticate import AuthenticationMiddleware

    keys = [key for key in (args.api_key or [envs.VLLM_API_KEY]) if key]
    if not keys:
        return None
    return cast(
        "Callable[[Headers], bool]", AuthenticationMiddleware(_no_app, tokens=keys).verify_token
    )


async def _no_app(scope: object, receive: object, send: object) -> None:
    """Stands where the check wants an application to pass requests on to; it gets none."""


async def _has_scheduler(calls: EngineCalls | None) -> bool:
    if calls is None:
        return False
    try:
        await calls.counters(ASK_SECONDS)
    except EngineCallError as error:
        return error.code != "engine_without_scheduler"
    return True


def _served(request: Request) -> _Served:
    return cast("_Served", request.app.state.treadle)


def _asked(served: _Served) -> EngineCalls:
    if served.calls is None:
        raise EngineCallError("engine_failed", "this server has no engine")
    return served.calls


def _refused(served: _Served, request: Request) -> Response | None:
    if served.admits is None or served.admits(request.headers):
        return None
    return JSONResponse({"error": "Unauthorized"}, status_code=401)


def _malformed(program_id: str) -> str | None:
    """What is wrong with an id, to follow "the program's id"."""
    if not program_id.strip():
        return "is empty"
    if len(program_id) > LONGEST_TEXT:
        return f"has more than {LONGEST_TEXT} characters"
    if not program_id.isprintable():
        return "has characters that cannot be printed"
    return None


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
