"""`treadle mcp serve` as a real process, and Treadle's own client in front of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from treadle.core.errors import ConfigError, ToolError
from treadle.mcp_server import HttpAccess
from treadle.tools.mcp import (
    HttpTransport,
    McpServer,
    McpServers,
    StdioTransport,
    trust_on_first_use,
)

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-some-length"
SERVED = ("tests.mcp_server.things:TOOLS", "tests.mcp_server.things:WORKFLOWS")
SECONDS = 90
"""Generous: means that it does not hang."""

pytestmark = pytest.mark.timeout(180)  # processes that start take their time on a busy machine

SERVE = ("-m", "treadle", "mcp", "serve", *SERVED, "--model", "offline")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {"TREADLE_STATE_DIR": str(tmp_path / "state"), "TREADLE_CONFIG_DIR": str(tmp_path)}
    return {**os.environ, **own, "TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}


async def test_both_ends_are_ours(environment: dict[str, str]) -> None:
    names = ("TREADLE_STATE_DIR", "TREADLE_CONFIG_DIR", "PYTHONPATH")
    transport = StdioTransport(
        sys.executable, SERVE, sandbox=False, environment={each: f"${{{each}}}" for each in names}
    )
    told: list[str | None] = []
    servers = McpServers(
        [McpServer("us", transport, start_seconds=SECONDS)],
        decide=trust_on_first_use,
        environment=environment,
        progress=lambda name, done, total, words: told.append(words),
    )
    async with servers:
        tools = {each.name: each for each in servers.tools}
        result = await tools["us.twice"].call({"n": 3})
        assert isinstance(result, dict)
        assert result["answer"] == "got 12"
        assert told[-1] == "2 of 2 steps done: double_2 succeeded"
        with pytest.raises(ToolError, match="approval_needed"):
            await tools["us.post"].call({"to": "you"})


def test_stdout_carries_the_protocol_and_nothing_else(environment: dict[str, str]) -> None:
    hello: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "twice", "arguments": {"n": 1}},
    }
    messages = [hello, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call]
    process = subprocess.Popen(
        [sys.executable, *SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("".join(json.dumps(each) + "\n" for each in messages))
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    rest, noise = process.communicate(timeout=SECONDS)
    assert [each["id"] for each in answers] == [1, 2]
    assert answers[1]["result"]["structuredContent"]["answer"] == "got 4"
    assert rest == ""
    assert process.returncode == 0
    assert "noise at import" in noise
    assert "noise in a call" in noise


def test_a_signal_ends_it_with_its_stdin_open(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, *SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    process.stdin.write(json.dumps(ping).encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130
    process.communicate()


@pytest.mark.parametrize("spec", ["nothing", "no.such.module:x", "tests.mcp_server.things:NUMBER"])
def test_what_cannot_be_served_is_said_on_stderr(environment: dict[str, str], spec: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "treadle", "mcp", "serve", spec, "--model", "offline"],
        stdin=subprocess.PIPE,
        capture_output=True,
        env=environment,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert b"bad_mcp_object" in ended.stderr


@asynccontextmanager
async def over_http(environment: dict[str, str], *options: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *SERVE, "--http", "127.0.0.1:0", *options,
        env=environment, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            while (found := re.search(rb"at (http\S+)", await process.stderr.readline())) is None:
                pass
        yield found[1].decode()
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            await process.communicate()


async def test_over_http_with_a_token(environment: dict[str, str]) -> None:
    async with over_http(environment, "--token-env", "TOKEN") as url:
        right = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(trust_env=False) as client:

            async def status(**headers: str) -> int:
                return (await client.post(url, json={}, headers=headers)).status_code

            assert await status() == 401
            assert await status(Authorization="Bearer wrong") == 401
            assert await status(**right, Origin="https://evil.example") == 403
            assert await status(**right, Host="evil.example") == 421
        server = McpServer("us", HttpTransport(url, {"Authorization": "Bearer ${TOKEN}"}))
        options: dict[str, Any] = {"decide": trust_on_first_use, "environment": environment}
        async with McpServers([server], **options) as servers:
            twice = next(each for each in servers.tools if each.name == "us.twice")
            result = await twice.call({"n": 3})
        assert isinstance(result, dict)
        assert result["answer"] == "got 12"
        with pytest.raises(ToolError) as failed:
            async with McpServers([McpServer("us", HttpTransport(url))], **options):
                pass
        assert failed.value.code == "mcp_unreachable"


def test_other_machines_need_a_token() -> None:
    with pytest.raises(ConfigError) as failed:
        HttpAccess("0.0.0.0", 8080)
    assert failed.value.code == "mcp_token_needed"
    with pytest.raises(ConfigError):
        HttpAccess("0.0.0.0", 8080, token="short")
    assert HttpAccess("0.0.0.0", 8080, token=TOKEN).token == TOKEN
