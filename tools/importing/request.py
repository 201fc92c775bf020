"""From a call's arguments to an HTTP request, and from its response to an output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue, as_text, compact_json
from treadle.tools.builtin.charset import decoded
from treadle.tools.builtin.host_policy import HostPolicy
from treadle.tools.importing.credentials import Credential
from treadle.tools.importing.operation import Operation, Parameter

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Response

MAX_BYTES = 5 * 1024 * 1024
"""Bytes of a response, after decompression."""

_ENCODINGS = frozenset({"gzip", "deflate", "identity"})
_DELIMITERS = {"form": ",", "simple": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes the calls of one operation; `policy` says which addresses they go to."""

    operation: Operation
    base: str
    policy: HostPolicy
    credentials: tuple[Credential, ...]

    async def __call__(self, **arguments: Any) -> Any:
        """One call. Raises ToolError: `http_status`, `http_unreachable`, `not_json`, ..."""
        import httpx

        # trust_env=False: a proxy, or a .netrc, would act on our behalf, unchecked.
        once = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            trust_env=False, timeout=httpx.Timeout(None, connect=10.0), limits=once
        ) as client:
            status, kind, body = await self._sent(client, arguments)
        return _output(self.operation, status, kind, body)

    async def _sent(
        self, client: AsyncClient, arguments: Mapping[str, JsonValue]
    ) -> tuple[int, str, bytes]:
        import httpx

        target, headers, content = self._request(arguments)
        port = target.port or (443 if target.scheme == "https" else 80)
        reason = ""
        # Whether a server has taken a request that broke off is not known: only one that never
        # had a connection is tried at the next address.
        for address in await self.policy.addresses_of(target.host, port):
            request = client.build_request(
                self.operation.method,
                target.copy_with(host=address),
                headers={**headers, "Host": target.netloc.decode("ascii")},
                content=content,
                extensions={"sni_hostname": target.raw_host.decode("ascii")},
            )
            try:
                response = await client.send(request, stream=True, follow_redirects=False)
                try:
                    kind = response.headers.get("content-type", "")
                    return response.status_code, kind, await _read(self.operation, response)
                finally:
                    await response.aclose()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                reason = type(error).__name__
            except httpx.HTTPError as error:
                reason = type(error).__name__
                break
        name = self.operation.name
        raise ToolError("http_unreachable", f"'{name}': {target.host}: {reason}", retryable=True)

    def _request(
        self, arguments: Mapping[str, JsonValue]
    ) -> tuple[URL, dict[str, str], bytes | None]:
        import httpx

        path, query = self.operation.path, list[tuple[str, str]]()
        headers = {
            "User-Agent": "treadle", "Accept": "application/json, */*;q=0.5",
            "Accept-Encoding": "gzip, deflate",
        }  # fmt: skip
        cookies: list[tuple[str, str]] = []
        for each in self.operation.parameters:
            if each.argument not in arguments:
                continue
            value = arguments[each.argument]
            if each.place == "path":
                path = path.replace("{" + each.name + "}", _segment(each, value))
            elif each.place == "query":
                query += _pairs(each, value)
            elif each.place == "header":
                headers[each.name] = _line(each, value)
            else:
                cookies.append((each.name, _line(each, value)))
        content: bytes | None = None
        body = self.operation.body
        if body is not None and body.argument in arguments:
            content = compact_json(arguments[body.argument]).encode("utf-8", "replace")
            headers["Content-Type"] = body.media_type
        for credential in self.credentials:
            pair = (credential.name, credential.value())
            if credential.place == "query":
                query.append(pair)
            elif credential.place == "cookie":
                cookies.append(pair)
            else:
                headers[credential.name] = pair[1]
        if cookies:
            headers["Cookie"] = "; ".join(f"{n}={quote(v, safe='')}" for n, v in cookies)
        text = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in query)
        return httpx.URL(self.base + path + (f"?{text}" if text else "")), headers, content


def _segment(parameter: Parameter, value: JsonValue) -> str:
    text = _delimited(parameter, value)
    if text in ("", ".", ".."):
        raise ToolError("invalid_arguments", f"{parameter.argument}: {text!r} is no part of a path")
    return quote(text, safe=",")


def _line(parameter: Parameter, value: JsonValue) -> str:
    text = _delimited(parameter, value)
    if not text.isprintable():
        raise ToolError("invalid_arguments", f"{parameter.argument}: a header is one line of text")
    return text if text.isascii() else quote(text, safe=" ,;=")


def _pairs(parameter: Parameter, value: JsonValue) -> list[tuple[str, str]]:
    name = parameter.name
    if isinstance(value, dict) and parameter.style == "deepObject":
        return [(f"{name}[{key}]", _scalar(each)) for key, each in value.items()]
    if isinstance(value, dict) and parameter.explode:
        return [(key, _scalar(each)) for key, each in value.items()]
    if isinstance(value, list) and parameter.explode:
        return [(name, _scalar(each)) for each in value]
    return [(name, _delimited(parameter, value))]


def _delimited(parameter: Parameter, value: JsonValue) -> str:
    delimiter = _DELIMITERS.get(parameter.style, ",")
    if isinstance(value, list):
        return delimiter.join(map(_scalar, value))
    if isinstance(value, dict):
        if parameter.explode:
            return delimiter.join(f"{key}={_scalar(each)}" for key, each in value.items())
        return delimiter.join(part for key, each in value.items() for part in (key, _scalar(each)))
    return _scalar(value)


def _scalar(value: JsonValue) -> str:
    return "" if value is None else as_text(value)


async def _read(operation: Operation, response: Response) -> bytes:
    encodings = response.headers.get_list("content-encoding", split_commas=True)
    if len(encodings) > 1 or not _ENCODINGS.issuperset(each.strip().lower() for each in encodings):
        raise ToolError("not_text", f"'{operation.name}': a compression that is not read")
    body = bytearray()
    async for chunk in response.aiter_bytes(64 * 1024):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ToolError(
                "response_too_large", f"'{operation.name}' gave more than {MAX_BYTES:,} bytes"
            )
    return bytes(body)


def _output(operation: Operation, status: int, content_type: str, body: bytes) -> JsonValue:
    if not 200 <= status < 300:
        shown = " ".join(decoded(body[:2_000], content_type).split())[:300]
        raise ToolError(
            "http_status",
            f"'{operation.name}' answered with status {status}{': ' if shown else ''}{shown}",
            retryable=status == 429 or status >= 500,
        )
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return decoded(body, content_type)
    try:
        value: JsonValue = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ToolError("not_json", f"'{operation.name}' gave no JSON: {error}") from None
    return value
