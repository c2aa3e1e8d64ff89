"""Clients of a database that is exchanged for another: what each of them saw, and when."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import psycopg

GONE = "does not exist"
JUST_NOW = "just been dropped or renamed"
"""One who had found the database, and waited at its door while the names were exchanged, is told this."""


def missing(error: psycopg.Error) -> bool:
    """Nothing has the name."""
    return GONE in str(error) and JUST_NOW not in str(error)


@dataclass
class Client:
    """Asks twice within one transaction which database it is, and writes down that it was there.

    One that ``stays`` does so on one connection, until that is ended, as a pool does; the others come anew each time.
    ``written``: what was acknowledged, by what the database said it is. ``nothing``: the name led nowhere.
    """

    number: int
    stays: bool = False
    seen: list[tuple[float, str]] = field(default_factory=list)
    mixed: int = 0
    written: dict[str, set[int]] = field(default_factory=lambda: {"before": set(), "after": set()})
    refused: int = 0
    nothing: list[str] = field(default_factory=list)

    async def run(self, url: str, until: asyncio.Event) -> None:
        while not until.is_set():
            try:
                async with await psycopg.AsyncConnection.connect(url, connect_timeout=60) as connection:
                    await self.look(connection)
                    while self.stays and not until.is_set():
                        await self.look(connection)
                        await asyncio.sleep(0.05)
            except psycopg.Error as error:
                self.refused += 1
                self.nothing += [str(error)] if missing(error) else []

    async def look(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        number = len(self.seen)
        async with connection.transaction():
            first = await (await connection.execute("SELECT is_it FROM what")).fetchall()
            await connection.execute("INSERT INTO written VALUES (%s, %s)", (self.number, number))
            second = await (await connection.execute("SELECT is_it FROM what")).fetchall()
        self.mixed += first != second or len(first) != 1
        self.written[str(second[0][0])].add(number)
        self.seen.append((time.monotonic(), str(second[0][0])))

    @property
    def well(self) -> bool:
        """Never both, never the old one after the new one, never nothing."""
        order = [what for _, what in self.seen]
        return not self.mixed and not self.nothing and order == sorted(order, reverse=True)


def gap(clients: list[Client]) -> float:
    """The longest time in which nobody was served, around the moment when the other one was first seen."""
    served = sorted(moment for client in clients for moment, _ in client.seen)
    first = min(moment for client in clients for moment, what in client.seen if what == "after")
    return max(b - a for a, b in itertools.pairwise(served) if a <= first + 2 and b >= first - 2)


def apart(url: str, number: int, stays: bool, told: Connection) -> None:
    """They in a process of their own, as an application is, until each has seen the other database.

    Tells True once each has been served for a while, and at the end the clients. Their moments are of CLOCK_MONOTONIC,
    which all processes share.
    """
    told.send(asyncio.run(_until_exchanged([Client(each, stays) for each in range(number)], url, told)))


async def _until_exchanged(clients: list[Client], url: str, told: Connection) -> list[Client]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(url, stop))
        while not all(len(client.seen) > 5 for client in clients):
            await asyncio.sleep(0.02)
        told.send(True)
        while not all(client.seen[-1][1] == "after" for client in clients):
            await asyncio.sleep(0.02)
        stop.set()
    return clients
