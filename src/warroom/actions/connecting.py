"""How the doors connect: to the address that was checked, so that no name can lead to a metadata service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import httpcore

from warroom.errors import CannotLook, DoorRefused
from warroom.model.address import refused_address, refused_host

if TYPE_CHECKING:
    import httpx


_LOOK_UP = 0.6
"""Of the time for an answer, what the look-up of a name may take: a name server that is down is no silent service."""
_LONGEST = 30.0
"""Seconds that it may take where there is no limit."""

Found = Sequence[tuple[Any, Any, int, str, tuple[Any, ...]]]
"""As getaddrinfo gives it."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, refuses it if any of its addresses is refused, and connects to what was checked.

    What stands in the way before that is ``DoorRefused`` or ``CannotLook``, none of the transport's own errors:
    nothing retries it.
    """

    def __init__(self, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        last: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await checked_addresses(host, port, timeout):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("sockets in the file system are not asked")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def checked_addresses(host: str, port: int, timeout: float | None = None) -> list[str]:
    """All addresses of a host. ``timeout``: the seconds for all that it is asked.

    Raises DoorRefused if any is refused, CannotLook if there is none, or none was found in most of that time.
    """
    if reason := refused_host(host):
        raise DoorRefused(f"{host} was not asked", reason)
    found = _written_out(host, port)
    if found is None:
        found = await _looked_up(host, port, _LONGEST if timeout is None else timeout * _LOOK_UP)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if reason := refused_address(address):
            raise DoorRefused(f"{host} was not asked", f"it resolves to {address}: {reason}")
    return addresses


def _written_out(host: str, port: int) -> Found | None:
    """Of an address in digits, which nobody has to be asked for."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None


async def _looked_up(host: str, port: int, limit: float) -> Found:
    try:
        async with asyncio.timeout(limit):
            return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise _unresolved(host, port, f"no name server answered in {limit:g} s") from None
    except (OSError, UnicodeError) as error:
        raise _unresolved(host, port, str(error.strerror if isinstance(error, OSError) else error)) from None


def _unresolved(host: str, port: int, why: str) -> CannotLook:
    title, hint = f"{host}:{port} could not be reached", "check the name, and this machine's own network"
    return CannotLook(title, f"{host} can't be resolved: {why}", hint)


def client(max_connections: int = 32) -> httpx.AsyncClient:
    """A client that keeps no cookies, follows no redirect, and takes no proxy or password from the environment."""
    import http.cookiejar
    import ssl

    import httpx

    transport = httpx.AsyncHTTPTransport(trust_env=False)
    # httpx offers no way to pass a network backend in; a test holds that this one is in use.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(), max_connections=max_connections, network_backend=CheckedBackend()
    )
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(transport=transport, cookies=jar, follow_redirects=False, trust_env=False)
