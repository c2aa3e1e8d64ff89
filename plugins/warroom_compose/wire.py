"""Under the engine's HTTP: its connections, as the read door opens them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from warroom.api import Connection, ReadDoor, TimedOut, Unreachable, WarroomError
from warroom_compose.endpoint import Endpoint

AT_ONCE = 4
"""Programs that are started at the same time: an ssh server turns away more than a few that have not agreed yet."""
SETTLED = 3
"""Looks without a new word, after which it has said all."""
LINE_LIMIT = 2**16


class Dialing(httpcore.AsyncNetworkBackend):
    """Every connection leads to the one engine, whatever host stands in the address."""

    def __init__(self, door: ReadDoor, at: Endpoint) -> None:
        self._door = door
        self._at = at
        self._last: Connection | None = None
        self._few = asyncio.Semaphore(AT_ONCE)

    async def dialed(self, seconds: float) -> Connection:
        """A new connection to the engine. Raises ``TimedOut`` or ``Unreachable``."""
        async with self._few:
            connection = await self._door.dial(self._at.to, timeout=seconds)
        self._last = None if isinstance(self._at.to, str) else connection
        return connection

    def late(self, seconds: float, asked: str = "") -> TimedOut:
        name = f"The Docker engine at {self._at.name} did not answer in {seconds:g} s"
        return TimedOut(name, asked, "is it busy, or the way to it slow?")

    async def lost(self, error: Exception) -> Unreachable:
        said = error.cause if isinstance(error, WarroomError) else str(error)
        cause = await self._why() or said or type(error).__name__
        return Unreachable(f"The Docker engine at {self._at.name} could not be reached", cause, self._at.hint(cause))

    async def _why(self) -> str:
        """The last thing that the program which carried the last connection said; it may still be saying it."""
        if self._last is None:
            return ""
        before, same = "", 0
        for _ in range(25):
            said = self._last.said()
            same = same + 1 if said and said == before else 0
            if same == SETTLED:
                break
            before = said
            await asyncio.sleep(0.02)
        lines = [line.strip() for line in before.splitlines() if line.strip(" @\r")]
        return lines[-1][:300] if lines else ""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            connection = await self.dialed(timeout or 10)
        except TimedOut as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except Unreachable as error:
            raise httpcore.ConnectError(error.cause) from error
        try:
            connection.socket.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=connection.socket, limit=LINE_LIMIT)
        except BaseException:
            await connection.close()
            raise
        return Stream(reader, writer, connection)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        return await self.connect_tcp("", 0, timeout)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Stream(httpcore.AsyncNetworkStream):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("nothing came") from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout("nothing was taken") from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        self._writer.transport.abort()
        await self._connection.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("TLS was not agreed on") from error
        except (OSError, ssl.SSLError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of an idle one: something to read there is its end
            return self._reader.at_eof() or self._writer.is_closing()
        if info == "ssl_object":
            return self._writer.get_extra_info("ssl_object")
        found = self._connection.socket
        return found if info == "socket" and isinstance(found, socket.socket) else None
