"""A snapshot of a database held open: programs read by its name, and what is asked here is of the very same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from warroom.actions.patience import within
from warroom.actions.sql_connecting import connected, told
from warroom.actions.sql_reading import LATE, Found, Server, composed, fetched
from warroom.api import Rows
from warroom.errors import StoreRefused, TimedOut

if TYPE_CHECKING:
    from warroom.actions.sql_connecting import Connection

Logged = Callable[[str, Coroutine[Any, Any, Rows]], Coroutine[Any, Any, Rows]]
"""Puts a statement that is being read into the command log."""

BEGIN = """BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT set_config(name, '0', true) FROM pg_settings
  WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout');
SELECT pg_backend_pid(), pg_export_snapshot(), statement_timestamp()"""
"""Both limits would end the transaction, and with it the snapshot, in the midst of a long dump."""


class HeldSnapshot:
    """``warroom.api.Snapshot``."""

    def __init__(self, connection: Connection, server: Server, name: str, at: datetime, logged: Logged) -> None:
        self.name = name
        self.at = at
        self._connection = connection
        self._server = server
        self._logged = logged
        self._turn = asyncio.Lock()

    async def sql(
        self,
        statement: str,
        *,
        timeout: float,
        parameters: Sequence[JsonValue] = (),
        names: Mapping[str, str] | None = None,
        at_most: int = 1000,
    ) -> Rows:
        query = composed(statement, names)
        return await self._logged(query, self._read(query, parameters, timeout, at_most))

    async def _read(self, query: str, parameters: Sequence[JsonValue], timeout: float, at_most: int) -> Rows:
        """A statement that is refused leaves the snapshot as it is."""
        import psycopg

        began = asyncio.get_running_loop().time()
        address = self._server.address
        try:
            async with self._turn:
                found = await within(timeout + LATE, self._asked(query, parameters, timeout, at_most))
        except TimeoutError:
            await self._connection.close()
            raise TimedOut(f"{address.where} did not answer in {timeout + LATE:g} s", "the snapshot is lost") from None
        except psycopg.Error as error:
            raise told(address, error) from None
        return Rows(*found, seconds=asyncio.get_running_loop().time() - began)

    async def _asked(self, query: str, parameters: Sequence[JsonValue], timeout: float, at_most: int) -> Found:
        limit = f"{max(1, round(timeout * 1000))}ms"
        cursor = self._connection.cursor()
        await cursor.execute(f"SAVEPOINT warroom; SET LOCAL statement_timeout = '{limit}'")
        try:
            return await fetched(cursor, query, parameters, at_most)
        finally:
            if not self._connection.broken:
                await cursor.execute("ROLLBACK TO SAVEPOINT warroom; RELEASE SAVEPOINT warroom")


@asynccontextmanager
async def held(server: Server, timeout: float, logged: Logged) -> AsyncIterator[HeldSnapshot]:
    """Raises what connecting raises, and StoreRefused where a pooler stands between.

    A pooler may give each transaction another of the server's connections, and programs none that knows the snapshot.
    """
    import psycopg

    address = server.address
    connection = await connected(address, timeout, server.relay)
    try:
        try:
            pid, name, at = await within(timeout + LATE, _begun(connection))
        except TimeoutError:
            raise TimedOut(f"{address.where} did not answer in {timeout + LATE:g} s") from None
        except psycopg.Error as error:
            raise told(address, error) from None
        if pid != connection.info.backend_pid:
            raise StoreRefused(
                f"{address.where} is a connection pooler",
                "a snapshot needs the server itself",
                "name the server's own address as direct",
            )
        yield HeldSnapshot(connection, server, name, at, logged)
    finally:
        await connection.close()


async def _begun(connection: Connection) -> tuple[int, str, datetime]:
    cursor = connection.cursor()
    await cursor.execute(BEGIN.encode())
    while cursor.nextset():
        pass
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0]), str(row[1]), row[2]
