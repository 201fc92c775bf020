"""Servers over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer

from treadle.core.errors import ConfigError, ToolError
from treadle.tools import Tool
from treadle.tools.mcp import HttpTransport, McpServer, McpServers, trust_on_first_use


def demo() -> MCPServer:
    server = MCPServer("demo", version="1")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def big(size: int) -> str:
        """Give much."""
        return "x" * size

    @server.tool()
    async def hang() -> str:
        """Never answer."""
        await asyncio.sleep(3600)
        return ""

    return server


@asynccontextmanager
async def served(app: Any, port: int = 0, **options: Any) -> AsyncIterator[int]:
    """`app` on a port of loopback."""
    listener = socket.create_server(("127.0.0.1", port))
    settings = uvicorn.Config(
        app, log_level="error", timeout_graceful_shutdown=1, ws="none", **options
    )
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server._serve([listener]))
    try:
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


def at(port: int, scheme: str = "http", **options: Any) -> McpServer:
    own = {each: options.pop(each) for each in ("headers", "certificate") if each in options}
    return McpServer("demo", HttpTransport(f"{scheme}://127.0.0.1:{port}/mcp", **own), **options)


@asynccontextmanager
async def tools_of(server: McpServer, **options: Any) -> AsyncIterator[dict[str, Tool]]:
    async with McpServers([server], decide=trust_on_first_use, **options) as servers:
        yield {each.name.partition(".")[2]: each for each in servers.tools}


async def failure(tool: Tool, **arguments: Any) -> str:
    with pytest.raises(ToolError) as failed:
        await tool.call(arguments)
    return failed.value.code


@pytest.mark.parametrize("form", [{}, {"json_response": True}, {"stateless_http": True}])
async def test_calls_over_http(form: dict[str, Any]) -> None:
    async with served(demo().streamable_http_app(**form)) as port, tools_of(at(port)) as tools:
        assert await tools["add"].call({"a": 1, "b": 2}) == {"result": 3}
        assert sorted(tools) == ["add", "big", "hang"]


@pytest.mark.parametrize("form", [{}, {"json_response": True}])
async def test_calls_are_bounded_in_time_and_size(form: dict[str, Any]) -> None:
    app = demo().streamable_http_app(**form)
    async with served(app) as port, tools_of(at(port, max_result=10_000)) as tools:
        assert await failure(tools["big"], size=20_000) == "mcp_result_too_large"
        assert await failure(tools["big"], size=2_000_000) in (
            "mcp_result_too_large",
            "mcp_server_died",
        )
        with pytest.raises(ToolError) as failed:
            await tools["hang"].call({}, timeout=0.5)
        assert failed.value.code == "tool_timeout"
        assert await tools["add"].call({"a": 1, "b": 1}) == {"result": 2}


async def test_a_server_that_is_started_again_is_found_again() -> None:
    async with served(demo().streamable_http_app()) as port:
        servers = McpServers([at(port)], decide=trust_on_first_use)
        await servers.__aenter__()
    add = next(each for each in servers.tools if each.name == "demo.add")
    try:
        assert await failure(add, a=1, b=1) in ("mcp_server_died", "mcp_unreachable")
        async with served(demo().streamable_http_app(), port=port):
            assert await add.call({"a": 1, "b": 1}) == {"result": 2}
    finally:
        await servers.__aexit__(None, None, None)


async def test_headers_come_from_the_environment() -> None:
    seen: list[str] = []
    inner = demo().streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        await inner(scope, receive, send)

    server = at(0, headers={"Authorization": "Bearer ${TOKEN}"})
    with pytest.raises(ConfigError) as failed:
        async with tools_of(server, environment={}):
            pass
    assert failed.value.code == "mcp_missing_variable"
    async with served(app) as port:
        server = at(port, headers={"Authorization": "Bearer ${TOKEN}"})
        async with tools_of(server, environment={"TOKEN": "t0k"}):
            pass
    assert set(seen) == {"Bearer t0k"}


async def test_nobody_there_is_said_to() -> None:
    with pytest.raises(ToolError) as failed:
        async with tools_of(at(9)):
            pass
    assert failed.value.code == "mcp_unreachable"


@pytest.mark.parametrize("status", [200, 302, 401, 500])
async def test_a_server_that_is_none(status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        headers = [(b"content-type", b"text/html"), (b"location", b"http://127.0.0.1:9/")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"<h1>hello</h1>"})

    async with served(app, lifespan="off") as port:
        with pytest.raises(ToolError) as failed:
            async with tools_of(at(port, start_seconds=3.0)):
                pass
    assert failed.value.code == "mcp_unreachable"


async def test_only_the_certificate_that_was_agreed_on(tmp_path: Path) -> None:
    files, digest = certificate(tmp_path)
    app = demo().streamable_http_app()
    async with served(app, ssl_certfile=files[0], ssl_keyfile=files[1]) as port:
        async with tools_of(at(port, "https", certificate=digest)) as tools:
            assert await tools["add"].call({"a": 1, "b": 2}) == {"result": 3}
        for other in ("0" * 64, None):
            with pytest.raises(ToolError) as failed:
                async with tools_of(at(port, "https", certificate=other)):
                    pass
            assert failed.value.code == "mcp_unreachable"
            assert "certificate" in failed.value.message.lower()


def certificate(folder: Path) -> tuple[tuple[str, str], str]:
    """A certificate that signs itself: its files, and the hash of it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    return (str(folder / "cert.pem"), str(folder / "key.pem")), hashlib.sha256(der).hexdigest()
