"""Which hosts may be contacted, and at which addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from treadle.core.errors import ToolError
from treadle.core.threads import run_in_thread

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""From a host name and a port to its addresses."""

RESOLVE_SECONDS = 10.0

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_CLOUDS_OWN = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "168.63.129.16/32")))
"""Where clouds serve metadata and agents of theirs, beside link-local addresses; RFC 6890 keeps the
first for protocols."""


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Hosts that a user allowed: `name`, `name:port`, `*.name` (any host below) or an address.

    An allowed name must resolve to a public address. Loopback, private and link-local addresses
    are reached only when they were allowed literally, or as `localhost`.
    """

    allowed: tuple[str, ...]
    resolve: Resolve

    async def addresses_of(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses to connect to, in this order, and to no others.

        Raises ToolError: `host_not_allowed`, `address_not_allowed`, `http_unreachable`.
        """
        literal = _literal(host)
        name = _ascii(host.lower().rstrip(".")) if literal is None else str(literal)
        if not any(_matches(rule, name, port, literal is not None) for rule in self.allowed):
            raise ToolError(
                "host_not_allowed",
                f"'{host}' is not among the allowed hosts; allow it with --allow-host {host}",
            )
        if literal is not None:
            return (str(literal),)
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                addresses = await self.resolve(name, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise ToolError(
                "http_unreachable", f"'{host}' cannot be resolved: {error}", retryable=True
            ) from None
        fit = tuple(
            address
            for address in addresses
            if _is_public(address) or (name == "localhost" and _is_loopback(address))
        )
        if fit:
            return fit
        raise ToolError(
            "address_not_allowed",
            f"'{host}' resolves to {', '.join(addresses) or 'nothing'}, which is not public; allow "
            f"the address itself if you mean it",
        )


async def system_resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows for `host`."""
    # Not the loop's own: its threads would keep the process alive until the resolver gives up.
    found = await run_in_thread(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))


def host_policy(allowed: Sequence[str], resolve: Resolve | None = None) -> HostPolicy:
    """The policy for `--allow-host` values. Raises ToolError (`bad_allowed_host`)."""
    rules: list[str] = []
    for rule in allowed:
        name = rule.strip().lower().rstrip(".")
        if not name or "/" in name or "@" in name or name == "*":
            raise ToolError(
                "bad_allowed_host", f"'{rule}' is not a host like example.com or localhost:8000"
            )
        rules.append(_ascii(name))
    return HostPolicy(tuple(rules), resolve or system_resolve)


def _ascii(name: str) -> str:
    """`name` as it is looked up, sent and certified; the system's own rules differ (IDNA 2003)."""
    import httpx

    if name.isascii():
        return name
    wildcard = "*." if name.startswith("*.") else ""
    host, colon, port = name.removeprefix("*.").partition(":")
    try:
        plain = httpx.URL(scheme="http", host=host).raw_host.decode("ascii")
        return f"{wildcard}{plain}{colon}{port}"
    except httpx.InvalidURL:
        return name


def _matches(rule: str, name: str, port: int, is_address: bool) -> bool:
    if rule.startswith("*."):
        # Addresses have no subdomains: "*.0.0.1" allows no loopback.
        return name.endswith(rule[1:]) and not is_address
    if rule == name:
        return True
    bare = rule.removeprefix("[").removesuffix("]")
    literal = _literal(bare)
    if literal is not None:
        return str(literal) == name
    host, colon, number = rule.rpartition(":")
    if not colon or number != str(port):
        return False
    literal = _literal(host.removeprefix("[").removesuffix("]"))
    return (host if literal is None else str(literal)) == name


def _literal(host: str) -> Address | None:
    """The address that `host` spells, also in the short and numeric forms of old resolvers."""
    try:
        return _unmapped(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    if host.replace(".", "").replace("x", "").replace("X", "").isalnum() and host[:1].isdigit():
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return None


def _unmapped(address: Address) -> Address:
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _is_public(address: str) -> bool:
    parsed = _unmapped(ipaddress.ip_address(address))
    if isinstance(parsed, ipaddress.IPv6Address) and (carried := _carried(parsed)):
        return all(each.is_global and not each.is_multicast for each in carried)
    if getattr(parsed, "is_site_local", False) or any(parsed in each for each in _CLOUDS_OWN):
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _carried(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a translating or tunnelling IPv6 address leads to."""
    carried = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in carried if each is not None]


def _is_loopback(address: str) -> bool:
    return _unmapped(ipaddress.ip_address(address)).is_loopback
