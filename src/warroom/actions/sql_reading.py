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

from warroom.actions.connecting import checked_addresses
from warroom.actions.missed import missed
from warroom.actions.patience import within
from warroom.actions.store_urls import PostgresAddress, postgres_address
from warroom.api import Rows
from warroom.errors import BadInput, CannotLook, DoorRefused, StoreRefused, TimedOut, Unreachable, WarroomError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

APPLICATION = "warroom"
"""How its sessions are named on the server."""
MOST_AT_ONCE = 5
KEPT_IDLE = 2
LONGEST_TEXT = 20_000
_LATE = 1.0
"""Seconds that the server gets to stop a statement by itself before it is left."""

_Found = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...], bool, bool]
"""Columns, rows, whether there were more, whether a pooler stands between."""

_QUERY = re.compile(r"\s*(?:select|with|table|values)\b", re.IGNORECASE)
_ACTING = re.compile(
    r"\b(?:pg_(?:terminate|cancel)_backend|pg_(?:try_)?advisory_\w+|pg_(?:re)?load_conf|pg_promote|pg_rotate_logfile\w*"
    r"|pg_switch_wal|pg_create_\w+|pg_drop_\w+|pg_replication_\w+|pg_logical_\w+|pg_wal_replay_\w+|pg_stat_reset\w*"
    r"|pg_reload_conf|pg_backup_\w+|pg_start_backup|pg_stop_backup|pg_file_\w+|pg_read_\w*file|pg_ls_\w+|pg_sleep\w*"
    r"|pg_log_\w+|pg_notify|set_config|lo_\w+|dblink\w*|query_to_xml\w*|cursor_to_xml\w*)\s*[\"(]|\bu&\"",
    re.IGNORECASE,
)
_SAID_AT_THE_DOOR = (
    ("28P01", re.compile(r"password authentication failed|no password supplied|authentication failed")),
    ("28000", re.compile(r"pg_hba\.conf|role \".*\" does not exist|not permitted to log in")),
    ("3D000", re.compile(r"database \".*\" does not exist|no such database")),
    ("53300", re.compile(r"too many (?:clients|connections)|connection slots|no more connections allowed")),
    ("57P03", re.compile(r"the database system is |cannot connect|not accepting connections")),
)
"""libpq gives no code for what a server says before it lets someone in, only words."""
_NOT_THAT_WAY = (
    (re.compile(r"server does not support SSL"), "take sslmode out of the address, or let the server speak TLS"),
    (
        re.compile(r"certificate verify failed(?!: certificate has expired)|root certificate file|does not match host"),
        "let this machine trust the server's certificate: sslrootcert and the host's name in the address",
    ),
    (
        re.compile(r"received invalid response to (?:SSL|GSSAPI)|expected authentication request|unsupported frontend"),
        "what answers is no PostgreSQL: check the port",
    ),
)
"""What stands between this machine and a server that may be well."""


@dataclass
class _Server:
    """One address: its idle connections, and how many may be in use."""

    address: PostgresAddress
    free: list[Connection] = field(default_factory=list)
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))


class SqlClients:
    """A few connections to each server, kept: a server whose connections are all taken can still be asked."""

    def __init__(self) -> None:
        self._servers: dict[str, _Server] = {}

    async def close(self) -> None:
        servers, self._servers = self._servers, {}
        for server in servers.values():
            for connection in server.free:
                await connection.close()

    def address(self, name: str, url: str) -> PostgresAddress:
        """Raises BadInput, which never repeats the address."""
        return self._server(name, url).address

    def _server(self, name: str, url: str) -> _Server:
        if url not in self._servers:
            self._servers[url] = _Server(postgres_address(name, url))
        return self._servers[url]

    async def read(
        self, name: str, url: str, statement: str, parameters: Sequence[JsonValue], timeout: float, at_most: int
    ) -> Rows:
        """``statement`` has its names filled in already. ``name`` is the secret's, for the words of errors."""
        server = self._server(name, url)
        began = asyncio.get_running_loop().time()
        try:
            rows = await within(timeout + _LATE, self._asked(server, statement, parameters, timeout, at_most))
        except TimeoutError:
            raise TimedOut(f"{server.address.where} did not answer in {timeout + _LATE:g} s") from None
        return Rows(*rows, seconds=asyncio.get_running_loop().time() - began)

    async def _asked(
        self, server: _Server, statement: str, parameters: Sequence[JsonValue], timeout: float, at_most: int
    ) -> _Found:
        import psycopg

        async with server.places:
            while True:
                kept = server.free.pop() if server.free else None
                connection = kept or await _connected(server.address, timeout)
                well = False
                try:
                    found = await _queried(connection, server.address, statement, parameters, timeout, at_most)
                    well = True
                    return found
                except psycopg.Error as error:
                    well = not connection.broken and bool(error.sqlstate)
                    if kept is not None and not well:
                        continue  # the server has been away since: a fresh connection says how it is now
                    raise _told(server.address, error) from None
                finally:
                    if well and len(server.free) < KEPT_IDLE and not connection.closed:
                        server.free.append(connection)
                    else:
                        await connection.close()


async def _connected(address: PostgresAddress, timeout: float) -> Connection:
    """A connection to addresses that were checked. Raises Unreachable, StoreRefused or DoorRefused."""
    import psycopg.conninfo

    try:
        where = await _checked(address)
        wanted = {**address.conninfo, **where, "application_name": APPLICATION}
        conninfo = psycopg.conninfo.make_conninfo(**wanted, connect_timeout=max(2, round(timeout)))
        return await psycopg.AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
    except (psycopg.Error, OSError) as error:
        raise _told(address, error) from None


async def _checked(address: PostgresAddress) -> dict[str, str]:
    """``host``, ``hostaddr`` and ``port`` as libpq's lists: every host with each of its addresses."""
    conninfo = address.conninfo
    hosts = (conninfo.get("host") or conninfo.get("hostaddr") or "localhost").split(",")
    ports = (conninfo.get("port") or "5432").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    given = conninfo["hostaddr"].split(",") if conninfo.get("hostaddr") else hosts
    if len(ports) != len(hosts) or len(given) != len(hosts) or not all(port.isdecimal() for port in ports):
        raise BadInput(
            "the database's address is wrong",
            "its hosts and ports do not go together",
            "write what is special in the password percent-encoded, such as %40 for @",
        )
    places: list[tuple[str, str, str]] = []
    for host, port, numeric in zip(hosts, ports, given, strict=True):
        if host.startswith(("/", "@")):
            places.append((host, "", port))
        else:
            places += [(host, found, port) for found in await checked_addresses(numeric, int(port))]
    return {name: ",".join(place[at] for place in places) for at, name in enumerate(("host", "hostaddr", "port"))}


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
        declare = sql.SQL("DECLARE warroom NO SCROLL CURSOR FOR ").as_bytes() + statement.encode()
        # Asked for binary, so that it goes by the extended protocol: what it declares comes as text none the less.
        await cursor.execute(declare, [_sent(value) for value in parameters] or None, binary=True)
        await cursor.execute(sql.SQL("FETCH FORWARD {} FROM warroom").format(at_most + 1))
        columns = tuple(column.name for column in cursor.description or ())
        rows = await cursor.fetchall()
    finally:
        if not connection.broken:
            await connection.rollback()
    plain = tuple(tuple(map(_plain, row)) for row in rows[:at_most])
    return columns, plain, len(rows) > at_most, pooled


def _sent(value: JsonValue) -> Any:
    if isinstance(value, dict):
        raise DoorRefused("an object can't be a statement's parameter", "", "texts, numbers and lists can")
    return value


def _plain(value: Any) -> Any:
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
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
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


def _told(address: PostgresAddress, error: Exception) -> WarroomError:
    """psycopg's error in the door's terms: a server that gives a reason has refused, one that gives none is away."""
    words = " ".join(str(error).split())[:500]
    code = str(getattr(error, "sqlstate", None) or "")
    if not code:
        code = next((known for known, pattern in _SAID_AT_THE_DOOR if pattern.search(words)), "")
    if code == "57014":
        return StoreRefused(f"{address.where} stopped the statement", "it took longer than it may", code=code)
    if code and not code.startswith(("08", "57P01", "57P02")):
        said = words.rpartition("FATAL: ")[2].strip() or words
        return StoreRefused(f"{address.where} refused", said, _FIXES.get(code, ""), code=code)
    title = f"{address.where} could not be reached"
    for pattern, hint in _NOT_THAT_WAY:
        if pattern.search(words):
            return CannotLook(title, words, hint)
    missing = missed(address.where, error)
    return missing if isinstance(missing, CannotLook) else Unreachable(title, words or type(error).__name__)


_FIXES = {
    "28P01": "check the user and the password in the address",
    "28000": "check the user in the address, and what pg_hba.conf lets in",
    "3D000": "check the database's name in the address",
    "42501": "give warroom's role the right to read it",
}
