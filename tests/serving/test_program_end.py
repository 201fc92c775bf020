"""An engine is told when a program is over, unless it does not know what that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from treadle.core.program import ProgramAware
from treadle.serving import OpenAIModel
from treadle.serving.hints import Backend
from treadle.serving.program_end import ProgramEndSignal


@dataclass
class Engine:
    """Answers every request with `status`; keeps the first lines."""

    status: int
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.partition(b"\r\n")[0].decode())
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def engine(status: int) -> AsyncIterator[Engine]:
    made = Engine(status)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield made


def model_at(url: str, backend: Backend = "vllm") -> OpenAIModel:
    return OpenAIModel("test", model="m", base_url=url, backend=backend)


async def test_the_engine_is_told() -> None:
    async with engine(200) as there:
        model = model_at(there.url)
        assert isinstance(model, ProgramAware)
        await model.program_ended("run 1/a")
        await model.program_ended("run_2")
        await model.aclose()
    assert there.asked == [
        "POST /treadle/programs/run%201%2Fa/end HTTP/1.1",
        "POST /treadle/programs/run_2/end HTTP/1.1",
    ]


@pytest.mark.parametrize(("status", "times"), [(404, 1), (405, 1), (401, 1), (500, 3)])
async def test_an_engine_that_does_not_know_it_is_left_alone(status: int, times: int) -> None:
    async with engine(status) as there:
        model = model_at(there.url)
        for number in range(5):
            await model.program_ended(f"run_{number}")
        await model.aclose()
    assert len(there.asked) == times


async def test_an_engine_that_is_not_there_does_no_harm() -> None:
    async with engine(200) as there:
        pass
    model = model_at(there.url)
    for number in range(5):
        await model.program_ended(f"run_{number}")
    await model.aclose()


@pytest.mark.parametrize("backend", ["openai", "ollama", "sglang", "dynamo", "compatible"])
async def test_servers_of_others_are_not_asked(backend: Backend) -> None:
    async with engine(200) as there:
        model = model_at(there.url, backend)
        await model.program_ended("run_1")
        await model.aclose()
    assert there.asked == []


def test_the_address_is_that_of_the_server() -> None:
    assert ProgramEndSignal("http://h:1/v1").url("r") == "http://h:1/treadle/programs/r/end"
    assert ProgramEndSignal("http://h/x/v1/").url("r") == "http://h/x/treadle/programs/r/end"
