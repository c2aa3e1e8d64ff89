"""Connecting to PostgreSQL: to addresses that were checked, or over a program that carries the connection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from warroom.actions.connecting import checked_addresses
from warroom.actions.missed import missed
from warroom.actions.store_urls import PostgresAddress
from warroom.errors import BadInput, CannotLook, StoreRefused, Unreachable, WarroomError

if TYPE_CHECKING:
    import psycopg

    from warroom.actions.sql_relay import Relay

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

APPLICATION = "warroom"
"""How its sessions are named on the server."""
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


async def connected(address: PostgresAddress, timeout: float, relay: Relay | None = None) -> Connection:
    """A connection of one's own, each statement at once. Raises Unreachable, StoreRefused or DoorRefused."""
    import psycopg.conninfo

    try:
        where = await _checked(address, timeout) if relay is None else await relay.place()
        wanted = {**address.conninfo, **where, "application_name": APPLICATION}
        if relay is not None:
            wanted.pop("hostaddr", None)
        conninfo = psycopg.conninfo.make_conninfo(**wanted, connect_timeout=max(2, round(timeout)))
        return await psycopg.AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
    except (psycopg.Error, OSError) as error:
        if relay is not None and (words := relay.said()):
            raise carried(address, words) from None
        raise told(address, error) from None


_NOBODY_THERE = re.compile(r"[Cc]onnection refused|is not running|is restarting|is paused|No such container")
"""What a program that carries a connection says where the server's own place is there, and it is not."""


def carried(address: PostgresAddress, words: str) -> WarroomError:
    """What the program said instead of carrying a connection, with what to do about it after ``HINT:``.

    It may well be this machine, the engine or the network that it did not get past: that says nothing of the server.
    """
    cause, _, hint = (part.strip() for part in words.partition("HINT:"))
    title = f"{address.where} could not be reached"
    if _NOBODY_THERE.search(cause):
        return Unreachable(title, cause, hint)
    return CannotLook(title, cause, hint or "see whether what carries the connection works by itself")


async def _checked(address: PostgresAddress, timeout: float) -> dict[str, str]:
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
    each = timeout / len(hosts)
    for host, port, numeric in zip(hosts, ports, given, strict=True):
        if host.startswith(("/", "@")):
            places.append((host, "", port))
        else:
            places += [(host, found, port) for found in await checked_addresses(numeric, int(port), each)]
    return {name: ",".join(place[at] for place in places) for at, name in enumerate(("host", "hostaddr", "port"))}


def told(address: PostgresAddress, error: Exception) -> WarroomError:
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
