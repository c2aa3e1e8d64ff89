"""Reading from Redis: a list of commands that change nothing and show no data, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from warroom.actions.connecting import checked_addresses
from warroom.actions.missed import missed
from warroom.actions.patience import within
from warroom.actions.store_urls import RedisAddress, redis_address
from warroom.errors import BadInput, CannotLook, DoorRefused, StoreRefused, TimedOut, Unreachable, WarroomError

if TYPE_CHECKING:
    from redis.asyncio import Redis

LONGEST_TEXT = 65536
_LIST_LIMIT = 10_000

ALLOWED = frozenset(
    {"PING", "INFO", "DBSIZE", "ROLE", "TIME", "LASTSAVE", "SCAN", "EXISTS", "TYPE", "TTL", "PTTL"}
    | {"MEMORY STATS", "MEMORY USAGE", "LATENCY LATEST", "SLOWLOG LEN", "CLUSTER INFO", "CLUSTER MYID", "ACL WHOAMI"}
    | {"CLIENT LIST", "CLIENT INFO", "CONFIG GET"}
)
"""None of them writes, blocks, or gives a key's value. A second word stands where the first alone would allow more."""
_TWO_WORDS = frozenset(name.split()[0] for name in ALLOWED if " " in name)
READABLE_SETTINGS = frozenset(
    {"maxmemory", "maxmemory-policy", "maxclients", "timeout", "appendonly", "save", "databases", "bind", "port"}
    | {"min-replicas-to-write", "repl-backlog-size", "lazyfree-lazy-eviction", "notify-keyspace-events", "hz"}
    | {"slowlog-log-slower-than", "latency-monitor-threshold", "tcp-keepalive", "client-output-buffer-limit"}
)
"""Others may be passwords: ``CONFIG GET *`` gives requirepass."""


def checked(command: tuple[str, ...]) -> None:
    """Raises DoorRefused for what is not in the list."""
    words = [word.upper() for word in command[:2]]
    name = " ".join(words) if words and words[0] in _TWO_WORDS else "".join(words[:1])
    if name not in ALLOWED:
        raise DoorRefused(f"Redis is not asked for {name[:60] or 'nothing'}", "only commands that read are let through")
    if name == "CONFIG GET" and not (set(map(str.lower, command[2:])) <= READABLE_SETTINGS and command[2:]):
        raise DoorRefused("this setting of Redis is not read", "it may be a secret", "name one that is not")


@dataclass
class _Server:
    address: RedisAddress
    client: Redis | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class RedisClients:
    """One connection to each server, kept, one command at a time."""

    def __init__(self) -> None:
        self._servers: dict[str, _Server] = {}

    async def close(self) -> None:
        servers, self._servers = self._servers, {}
        for server in servers.values():
            if server.client is not None:
                await server.client.aclose()

    def address(self, name: str, url: str) -> RedisAddress:
        """Raises BadInput, which never repeats the address."""
        return self._server(name, url).address

    def _server(self, name: str, url: str) -> _Server:
        if url not in self._servers:
            self._servers[url] = _Server(redis_address(name, url))
        return self._servers[url]

    async def read(self, name: str, url: str, command: tuple[str, ...], timeout: float) -> JsonValue:
        """``name`` is the secret's, for the words of errors."""
        checked(command)
        server = self._server(name, url)
        try:
            return await within(timeout, self._asked(server, command, timeout))
        except TimeoutError:
            raise TimedOut(f"{server.address.where} did not answer in {timeout:g} s") from None

    async def _asked(self, server: _Server, command: tuple[str, ...], timeout: float) -> JsonValue:
        from redis.exceptions import RedisError, ResponseError

        async with server.turn:
            while True:
                kept = server.client is not None
                well = False
                try:
                    if server.client is None:
                        server.client = await _client(server.address, timeout)
                    execute: Callable[..., Awaitable[Any]] = server.client.execute_command
                    found = await execute(*command)
                    well = True
                    return _plain(found)
                except (RedisError, OSError) as error:
                    well = isinstance(error, ResponseError)
                    if kept and not well:
                        continue  # it has been away since: a fresh connection says how it is now
                    raise _told(server.address, error) from None
                finally:
                    if not well:
                        client, server.client = server.client, None
                        if client is not None:
                            await client.aclose()


async def _client(address: RedisAddress, timeout: float) -> Redis:
    """A client that tries once and takes replies as they are.

    With TLS the host is asked by its name, since the certificate is for that; its addresses are checked all the same.
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    where: dict[str, Any]
    if address.path:
        where = {"unix_socket_path": address.path}
    else:
        addresses = await checked_addresses(address.host, address.port, timeout)
        where = {"host": address.host if address.tls else addresses[0], "port": address.port}
    client = Redis(
        **where,
        **({"ssl": True, **address.options} if address.tls else {}),
        db=address.db,
        username=address.username,
        password=address.password,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        single_connection_client=True,
    )
    client.response_callbacks.clear()
    return client


def _plain(value: Any) -> JsonValue:
    match value:
        case bytes():
            return value.decode("utf-8", "replace")[:LONGEST_TEXT]
        case str():
            return value[:LONGEST_TEXT]
        case list() | tuple():
            return [_plain(item) for item in value[:_LIST_LIMIT]]
        case None | bool() | int() | float():
            return value
    return str(value)[:LONGEST_TEXT]


def _told(address: RedisAddress, error: Exception) -> WarroomError:
    """redis-py's error in the door's terms."""
    from redis.exceptions import (
        AuthenticationError,
        BusyLoadingError,
        InvalidResponse,
        NoPermissionError,
        ResponseError,
    )

    words = " ".join(str(error).split())[:300]
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return TimedOut(f"{address.where} did not answer in time")
    if words.endswith("DB index is out of range"):
        return BadInput(f"{address.where} has no database {address.db}", words, "correct the number in the address")
    if isinstance(error, ResponseError | AuthenticationError | BusyLoadingError | NoPermissionError):
        first = words.split(" ", 1)[0]
        code = first if first.isupper() else _code(error)
        fix = "check the password in the address" if code in ("WRONGPASS", "NOAUTH") else ""
        return StoreRefused(f"{address.where} refused", words, fix, code=code)
    title = f"{address.where} could not be reached"
    if isinstance(error, InvalidResponse):
        return CannotLook(title, f"what answers is no Redis: {words}", "check the port")
    missing = missed(address.where, error)
    return missing if isinstance(missing, CannotLook) else Unreachable(title, words or type(error).__name__)


def _code(error: Exception) -> str:
    """redis-py takes the first word off the errors that it knows."""
    names = {
        "AuthenticationError": "NOAUTH" if "required" in str(error) else "WRONGPASS",
        "AuthenticationWrongNumberOfArgsError": "WRONGPASS",
        "BusyLoadingError": "LOADING",
        "NoPermissionError": "NOPERM",
        "MasterDownError": "MASTERDOWN",
    }
    return names.get(type(error).__name__, "ERR")
