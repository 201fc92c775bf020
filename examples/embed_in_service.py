"""Treadle inside a web service: one Runtime, many requests, events as they happen.

pip install 'treadle[service]'
uvicorn examples.embed_in_service:app

curl 'localhost:8000/ask?task=how+many+lines+has+README.md'
curl -N 'localhost:8000/events?task=compare+README.md+and+CHANGELOG.md+by+words'
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse

from treadle import Budget, Runtime
from treadle.core.events import AnswerDelta, RunFinished, StepFinished, StepStarted

WORKSPACE = Path(__file__).parent / "workspace"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One Runtime for the life of the service; closing it cancels what still runs."""
    budget = Budget(steps=200, seconds=60)
    async with Runtime(model="offline", workspace=WORKSPACE, budget=budget) as runtime:
        app.state.runtime = runtime
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ask")
async def ask(request: Request, task: str) -> JSONResponse:
    """Run a task and return the result as `treadle run --json` prints it."""
    result = await request.app.state.runtime.run(task)
    return JSONResponse(result.as_json(), status_code=200 if result.status == "succeeded" else 422)


@app.get("/events")
async def events(request: Request, task: str) -> EventSourceResponse:
    """Run a task and send what happens as it happens; a client that leaves ends the run."""

    async def stream() -> AsyncIterator[dict[str, str]]:
        async with request.app.state.runtime.stream(task) as run:
            async for event in run:
                match event:
                    case StepStarted() | StepFinished():
                        yield {"event": type(event).__name__, "data": event.step_id}
                    case AnswerDelta():
                        yield {"event": "AnswerDelta", "data": event.text}
                    case RunFinished():
                        yield {"event": "RunFinished", "data": event.status}

    return EventSourceResponse(stream())
