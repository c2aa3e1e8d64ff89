"""Connections that the read door opens for plugins which speak a protocol of their own."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from collections.abc import Sequence

from warroom import process
from warroom.actions.connecting import checked_addresses
from warroom.api import Connection
from warroom.errors import TimedOut, Unreachable


class Open:
    """``warroom.api.Connection`` without a program."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def said(self) -> str:
        return ""

    async def close(self) -> None:
        self.socket.close()


def shown(to: str | Sequence[str]) -> str:
    """As a person would look whether it can be reached."""
    if not isinstance(to, str):
        return shlex.join(to)
    kind, _, where = to.partition(":")
    return f"nc -U {shlex.quote(where)}" if kind == "unix" else f"nc {shlex.join(where.rpartition(':')[::2])}"


async def dial(to: str | Sequence[str], timeout: float) -> Connection:
    """See ``warroom.api.ReadDoor.dial``."""
    if not isinstance(to, str):
        return process.dial(to)
    kind, _, where = to.partition(":")
    try:
        async with asyncio.timeout(timeout):
            if kind == "unix":
                return await _connected(socket.AF_UNIX, where)
            host, _, port = where.rpartition(":")
            return await _tcp(host, int(port), timeout)
    except TimeoutError:
        raise TimedOut(f"{where} did not answer in {timeout:g} s", "no connection was made") from None
    except OSError as error:
        raise Unreachable(f"{where} could not be reached", _why(error)) from None


async def _tcp(host: str, port: int, timeout: float) -> Connection:
    """The first of its addresses that takes the connection; the last one's error where none does."""
    last: OSError = OSError(f"{host} has no address")
    for address in await checked_addresses(host, port, timeout):
        try:
            return await _connected(socket.AF_INET6 if ":" in address else socket.AF_INET, (address, port))
        except OSError as error:
            last = error
    raise last


async def _connected(family: int, address: str | tuple[str, int]) -> Connection:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return Open(connection)


def _why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
