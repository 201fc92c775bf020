"""The proxy that is the only way out of a sandbox."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from treadle.core.errors import ToolError
from treadle.tools.mcp.network import HostProxy


@asynccontextmanager
async def site(requests: list[bytes]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def asking(
    hosts: Sequence[str], resolved: dict[str, list[str]] | None = None
) -> AsyncIterator[Callable]:
    async def resolve(host: str, port: int) -> list[str]:
        return (resolved or {}).get(host, ["127.0.0.1"])

    async def ask(text: str) -> str:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(text.encode())
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer.decode()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proxy"
        async with HostProxy(path, hosts, resolve=resolve):
            yield ask
        assert not path.exists()


async def test_a_tunnel_to_a_host_that_was_granted() -> None:
    requests: list[bytes] = []
    async with site(requests) as port, asking([f"127.0.0.1:{port}"]) as ask:
        answer = await ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200 Connection established\r\n\r\n")
    assert answer.endswith("page")
    assert requests == [b"GET /a HTTP/1.1\r\n\r\n"]


async def test_a_plain_request_names_the_host_that_was_checked() -> None:
    requests: list[bytes] = []
    async with site(requests) as port, asking([f"127.0.0.1:{port}"]) as ask:
        await ask(
            f"GET http://127.0.0.1:{port}/a?b HTTP/1.1\r\nHost: evil.example\r\n"
            f"Proxy-Authorization: x\r\nAccept: y\r\n\r\n"
        )
    head = requests[0].decode()
    assert head.startswith("GET /a?b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n" in head
    assert "evil" not in head
    assert "Proxy-" not in head
    assert "Connection: close\r\n" in head
    assert "Accept: y\r\n" in head


@pytest.mark.parametrize(
    "target",
    [
        "other.example:443",
        "good.example:22",
        "good.example.evil.example:443",
        "127.0.0.1:443",
        "0x7f000001:443",
        "2130706433:80",
        "[::1]:443",
        "169.254.169.254:80",
    ],
)
async def test_everything_else_is_refused(target: str) -> None:
    async with asking(["good.example", "*.fine.example"], {"good.example": ["8.8.8.8"]}) as ask:
        assert (await ask(f"CONNECT {target} HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 403")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    async with asking(["good.example"], {"good.example": [address]}) as ask:
        answer = await ask("CONNECT good.example:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 403")
    assert "not public" in answer


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "CONNECT x HTTP/1.1\r\n\r\n",
        "CONNECT user@good.example:443 HTTP/1.1\r\n\r\n",
        "GET ftp://good.example/ HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET http://good.example:99999/ HTTP/1.1\r\n\r\n",
        "A" * 40_000 + "\r\n\r\n",
    ],
)
async def test_nonsense_is_refused(text: str) -> None:
    async with asking(["good.example"]) as ask:
        assert (await ask(text)).startswith("HTTP/1.1 400")


async def test_a_host_that_is_not_there_is_said_to() -> None:
    async with site([]) as port:
        pass
    async with asking([f"127.0.0.1:{port}"]) as ask:
        assert (await ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 502")


def test_what_is_no_host_is_refused() -> None:
    with pytest.raises(ToolError) as failed:
        HostProxy(Path("/nowhere"), ["*"])
    assert failed.value.code == "bad_allowed_host"


@pytest.mark.parametrize(
    "line",
    [
        "X: a\nHost: evil.example",
        "Host : evil.example",
        " Host: evil.example",
        "X: a\rHost: b",
        "X",
    ],
    ids=["bare line feed", "space before the colon", "folded", "bare return", "no colon"],
)
async def test_a_head_that_servers_may_read_differently_goes_nowhere(line: str) -> None:
    requests: list[bytes] = []
    async with site(requests) as port, asking([f"127.0.0.1:{port}"]) as ask:
        answer = await ask(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\n{line}\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400")
    assert requests == []
