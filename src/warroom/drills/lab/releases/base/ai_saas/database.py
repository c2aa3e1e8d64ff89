"""A small pool of database connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

Connection = psycopg.AsyncConnection[tuple[object, ...]]


class PoolExhaustedError(Exception):
    """Every connection stayed in use for as long as the pool waits."""


class Pool:
    def __init__(self, url: str, size: int, patience: float = 3.0) -> None:
        self.size = size
        self.used = 0
        self._url = url
        self._patience = patience
        self._free: list[Connection] = []
        self._places = asyncio.Semaphore(size)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in a transaction of its own: committed at the end, rolled back on an error."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise PoolExhaustedError(f"all {self.size} connections in use for {self._patience:g} s") from None
        self.used += 1
        try:
            connection = await self._take()
            try:
                async with connection.transaction():
                    yield connection
            finally:
                await self._put_back(connection)
        finally:
            self.used -= 1
            self._places.release()

    async def _take(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.closed:
                return connection
        return await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=3)

    async def _put_back(self, connection: Connection) -> None:
        if connection.broken or connection.closed:
            await connection.close()
        else:
            self._free.append(connection)

    async def close(self) -> None:
        while self._free:
            await self._free.pop().close()
