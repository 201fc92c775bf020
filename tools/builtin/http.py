"""HTTP GET, to hosts that the user allowed and to no others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.core.threads import run_in_thread
from treadle.tools.builtin.charset import decoded
from treadle.tools.builtin.host_policy import HostPolicy, Resolve, host_policy
from treadle.tools.builtin.page_text import read_page
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Response

MAX_BYTES = 5 * 1024 * 1024
"""Bytes of a body, after decompression."""

MAX_REDIRECTS = 5
TOTAL_SECONDS = 20.0

_HOST = re.compile(r"[\w.:\[\]-]+")
_ENCODINGS = frozenset({"gzip", "deflate", "identity"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXTUAL = ("text/", "application/json", "application/xml", "application/xhtml", "application/rss",
            "application/atom", "application/javascript", "application/x-ndjson")  # fmt: skip


class Page(TypedDict):
    """What came back; `text` is readable text where the page was HTML, `bytes` its raw size."""

    url: str
    status: int
    content_type: str
    title: str
    text: str
    words: int
    bytes: int


def http_tools(allow_hosts: Sequence[str], resolve: Resolve | None = None) -> tuple[Tool, ...]:
    """The tools that fetch. `resolve` replaces the system's name resolution."""
    policy = host_policy(allow_hosts, resolve)

    @tool(effect=Effect.READ, timeout=TOTAL_SECONDS + 10, open_world=True)
    async def fetch_url(url: str) -> Page:
        """Fetch a web page or another text by HTTP GET; only hosts that the user allowed.

        Args:
            url: starts with http:// or https://
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await _fetch(url, policy)
        except TimeoutError:
            raise ToolError(
                "http_timeout", f"'{url[:200]}' took more than {TOTAL_SECONDS:g} s", retryable=True
            ) from None

    return (fetch_url,)


async def _fetch(url: str, policy: HostPolicy) -> Page:
    import httpx

    target = _parse(url)
    limits = httpx.Timeout(TOTAL_SECONDS, connect=10.0)
    # trust_env=False: a proxy from the environment would connect on our behalf, unchecked.
    # No kept connections: two names at one address would share the one made for the first.
    once = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, timeout=limits, limits=once) as client:
        for _ in range(MAX_REDIRECTS + 1):
            status, headers, body = await _get(client, target, policy)
            location = headers.get("location")
            if status not in _REDIRECTS or location is None:
                return await run_in_thread(partial(_page, target, status, headers, body))
            target = _joined(target, location)
            client.cookies.clear()
    raise ToolError(
        "too_many_redirects", f"'{url[:200]}' redirects more than {MAX_REDIRECTS} times"
    )


async def _get(
    client: AsyncClient, target: URL, policy: HostPolicy
) -> tuple[int, dict[str, str], bytes]:
    """One request, to the very address that was checked: the name is not resolved again."""
    import httpx

    port = target.port or (443 if target.scheme == "https" else 80)
    reason = ""
    for address in await policy.addresses_of(target.host, port):
        request = client.build_request(
            "GET",
            target.copy_with(host=address),
            headers={
                "Host": target.netloc.decode("ascii"),
                "User-Agent": "treadle",
                "Accept-Encoding": "gzip, deflate",
            },
            # The certificate must be the name's, not the address's.
            extensions={"sni_hostname": target.raw_host.decode("ascii")},
        )
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = b"" if response.status_code in _REDIRECTS else await _read(response, target)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = str(error) or type(error).__name__
            continue
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            break
        return response.status_code, dict(response.headers), body
    raise ToolError("http_unreachable", f"'{_shown(target)}': {reason}", retryable=True)


async def _read(response: Response, target: URL) -> bytes:
    encodings = response.headers.get_list("content-encoding", split_commas=True)
    if len(encodings) > 1 or not _ENCODINGS.issuperset(each.strip().lower() for each in encodings):
        # Anything else can swell a single packet to gigabytes before it can be counted.
        raise ToolError("not_text", f"'{_shown(target)}' is compressed in a way that is not read")
    body = bytearray()
    async for chunk in response.aiter_bytes(64 * 1024):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ToolError(
                "response_too_large", f"'{_shown(target)}' has more than {MAX_BYTES:,} bytes"
            )
    return bytes(body)


def _page(target: URL, status: int, headers: dict[str, str], body: bytes) -> Page:
    content_type = headers.get("content-type", "text/plain")
    kind = content_type.partition(";")[0].strip().lower()
    if status >= 400:
        raise ToolError(
            "http_status",
            f"'{_shown(target)}' answered with status {status}",
            retryable=status == 429 or status >= 500,
        )
    if not (kind.startswith(_TEXTUAL) or kind.endswith(("+json", "+xml"))):
        raise ToolError(
            "not_text", f"'{_shown(target)}' is {kind[:60] or 'of no type'}, not a text"
        )
    text = decoded(body, content_type)
    if "\0" in text:
        raise ToolError("not_text", f"'{_shown(target)}' is binary, whatever it is called")
    title = ""
    if "html" in kind:
        title, text = read_page(text)
    return {
        "url": str(target),
        "status": status,
        "content_type": content_type,
        "title": title,
        "text": text,
        "words": len(text.split()),
        "bytes": len(body),
    }


def _joined(target: URL, location: str) -> URL:
    import httpx

    try:
        return _parse(str(target.join(location)))
    except (httpx.InvalidURL, ValueError) as error:
        raise ToolError(
            "bad_url", f"'{_shown(target)}' redirects to no URL: {str(error)[:200]}"
        ) from None


def _shown(target: URL) -> str:
    return str(target)[:200]


def _parse(url: str) -> URL:
    import httpx

    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise ToolError("bad_url", f"'{url[:200]}' is not a URL: {error}") from None
    bad_port = parsed.port is not None and not 0 < parsed.port < 65_536
    if parsed.scheme not in ("http", "https") or not _HOST.fullmatch(parsed.host) or bad_port:
        raise ToolError("bad_url", f"'{url[:200]}' is not an http:// or https:// URL")
    if parsed.userinfo:
        raise ToolError("bad_url", "a URL with a name or password in it is not fetched")
    return parsed.copy_with(fragment=None)
