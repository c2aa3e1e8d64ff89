"""Reading from PostgreSQL, and nothing but reading.

Four fences, each of which would do alone against a mistake: only a query can be declared as a cursor; it is sent by
the extended protocol, which takes one statement; it runs in a READ ONLY transaction that is always rolled back; and
functions that act on the server, which such a transaction lets through, are refused by name.

Settings are made for each transaction anew, so that a pooler may hand out another server connection each time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from warroom.actions.patience import within
from warroom.actions.sql_connecting import connected, told
from warroom.actions.sql_relay import Relay
from warroom.actions.store_urls import PostgresAddress, postgres_address
from warroom.api import Rows
from warroom.errors import DoorRefused, TimedOut

if TYPE_CHECKING:
    import psycopg

    from warroom.actions.sql_connecting import Connection

MOST_AT_ONCE = 5
KEPT_IDLE = 2
LONGEST_TEXT = 20_000
LATE = 1.0
"""Seconds that the server gets to stop a statement by itself before it is left."""
ENDING = 10.0
"""Seconds that a server may be asked to stop what nobody waits for any more: psycopg's own, 5 to ask and 5 to hear."""

Found = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...], bool]
"""Columns, rows, whether there were more."""
_Found = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...], bool, bool]
"""And whether a pooler stands between."""

_QUERY = re.compile(r"\s*(?:select|with|table|values)\b", re.IGNORECASE)
_ACTING = re.compile(
    r"\b(?:pg_(?:terminate|cancel)_backend|pg_(?:try_)?advisory_\w+|pg_(?:re)?load_conf|pg_promote|pg_rotate_logfile\w*"
    r"|pg_switch_wal|pg_create_\w+|pg_drop_\w+|pg_replication_\w+|pg_logical_\w+|pg_wal_replay_\w+|pg_stat_reset\w*"
    r"|pg_reload_conf|pg_backup_\w+|pg_start_backup|pg_stop_backup|pg_file_\w+|pg_read_\w*file|pg_ls_\w+|pg_sleep\w*"
    r"|pg_log_\w+|pg_notify|set_config|lo_\w+|dblink\w*|query_to_xml\w*|cursor_to_xml\w*)\"?\s*\(|\bu&\"",
    re.IGNORECASE,
)


@dataclass
class Server:
    """One address: its idle connections, and how many may be in use. ``relay``: what carries them."""

    address: PostgresAddress
    relay: Relay | None = None
    free: list[Connection] = field(default_factory=list)
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))


class SqlClients:
    """A few connections to each server, kept: a server whose connections are all taken can still be asked."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, str | None, tuple[str, ...]], Server] = {}
        self._relays: dict[tuple[str, ...], Relay] = {}

    async def close(self) -> None:
        servers, self._servers = self._servers, {}
        for server in servers.values():
            for connection in server.free:
                await connection.close()
        relays, self._relays = self._relays, {}
        for relay in relays.values():
            await relay.close()

    def address(self, name: str, url: str) -> PostgresAddress:
        """Raises BadInput, which never repeats the address."""
        return self.server(name, url).address

    def server(self, name: str, url: str, database: str | None = None, through: tuple[str, ...] = ()) -> Server:
        """``database``: another one of that server. ``through``: the words of a program that carries connections."""
        key = (url, database, through)
        if key not in self._servers:
            address = postgres_address(name, url)
            relay = self._relays.setdefault(through, Relay(through)) if through else None
            self._servers[key] = Server(address if database is None else address.of(database), relay)
        return self._servers[key]

    async def read(
        self, server: Server, statement: str, parameters: Sequence[JsonValue], timeout: float, at_most: int
    ) -> Rows:
        """``statement`` has its names filled in already."""
        began = asyncio.get_running_loop().time()
        try:
            rows = await within(
                timeout + LATE, self._asked(server, statement, parameters, timeout, at_most), ending=ENDING
            )
        except TimeoutError:
            raise TimedOut(f"{server.address.where} did not answer in {timeout + LATE:g} s") from None
        return Rows(*rows, seconds=asyncio.get_running_loop().time() - began)

    async def _asked(
        self, server: Server, statement: str, parameters: Sequence[JsonValue], timeout: float, at_most: int
    ) -> _Found:
        import psycopg

        async with server.places:
            while True:
                kept = server.free.pop() if server.free else None
                connection = kept or await connected(server.address, timeout, server.relay)
                well = False
                try:
                    found = await _queried(connection, server.address, statement, parameters, timeout, at_most)
                    well = True
                    return found
                except psycopg.Error as error:
                    well = not connection.broken and bool(error.sqlstate)
                    if kept is not None and not well:
                        continue  # the server has been away since: a fresh connection says how it is now
                    raise told(server.address, error) from None
                finally:
                    if well and len(server.free) < KEPT_IDLE and not connection.closed:
                        server.free.append(connection)
                    else:
                        await connection.close()


async def _queried(
    connection: Connection,
    address: PostgresAddress,
    statement: str,
    parameters: Sequence[JsonValue],
    timeout: float,
    at_most: int,
) -> _Found:
    """The rows, and the transaction rolled back. Raises psycopg.Error."""
    from psycopg import sql

    limit = f"{max(1, round(timeout * 1000))}ms"
    settings = {"statement_timeout": limit, "idle_in_transaction_session_timeout": "60s"}
    if address.schema:
        settings["search_path"] = '"' + address.schema.replace('"', '""') + '"'
    each = [sql.SQL("set_config({}, {}, true)").format(name, value) for name, value in settings.items()]
    begin = sql.SQL("BEGIN READ ONLY; SELECT pg_backend_pid(), {}").format(sql.SQL(", ").join(each))
    cursor = connection.cursor()
    try:
        await cursor.execute(begin)
        cursor.nextset()
        begun = await cursor.fetchone()
        pooled = begun is None or begun[0] != connection.info.backend_pid
        found = await fetched(cursor, statement, parameters, at_most)
    finally:
        if not connection.broken:
            await connection.rollback()
    return *found, pooled


async def fetched(
    cursor: psycopg.AsyncCursor[tuple[Any, ...]], statement: str, parameters: Sequence[JsonValue], at_most: int
) -> Found:
    """What the statement gives in the transaction that the cursor is in. Raises psycopg.Error."""
    from psycopg import sql

    declare = sql.SQL("DECLARE warroom NO SCROLL CURSOR FOR ").as_bytes() + statement.encode()
    # Asked for binary, so that it goes by the extended protocol: what it declares comes as text none the less.
    await cursor.execute(declare, [_sent(value) for value in parameters] or None, binary=True)
    await cursor.execute(sql.SQL("FETCH FORWARD {} FROM warroom").format(at_most + 1))
    columns = tuple(column.name for column in cursor.description or ())
    rows = await cursor.fetchall()
    return columns, tuple(tuple(map(plain, row)) for row in rows[:at_most]), len(rows) > at_most


def _sent(value: JsonValue) -> Any:
    if isinstance(value, dict):
        raise DoorRefused("an object can't be a statement's parameter", "", "texts, numbers and lists can")
    return value


def plain(value: Any) -> Any:
    """As JSON has it. Texts are cut at ``LONGEST_TEXT``; NaN and infinity are None."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return value[:LONGEST_TEXT]
        case float() | Decimal():
            if not isfinite(value):
                return None
            return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else float(value)
        case timedelta():
            return value.total_seconds()
        case date():
            return value.isoformat()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
    return str(value)[:LONGEST_TEXT]


def composed(statement: str, names: Mapping[str, str] | None) -> str:
    """The statement with its names in, quoted. Raises DoorRefused for what is no query, or acts on the server."""
    from psycopg import sql

    if not _QUERY.match(statement):
        raise DoorRefused("this statement does not only read", _short(statement), "begin it with SELECT or WITH")
    if names:
        try:
            quoted = {name: sql.Identifier(*value.split(".")) for name, value in names.items()}
            statement = sql.SQL(statement).format(**quoted).as_string()
        except (KeyError, IndexError, ValueError) as error:
            raise DoorRefused("a statement's names do not fit", str(error), "give each {name} one") from None
    if "\0" in statement:
        raise DoorRefused("a statement may not hold a NUL byte")
    if found := _ACTING.search(statement):
        raise DoorRefused("this statement does not only read", f"it calls {found[0].rstrip('( ')}", "take that out")
    return statement


def _short(text: str) -> str:
    return " ".join(text.split())[:80]
