"""What a plugin looks with: the read door, and what comes through it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import JsonValue

from warroom.model.call import CallResult, PgPass

T = TypeVar("T")


@dataclass(frozen=True)
class Rows:
    """What a statement gave, as plain JSON: times are ISO texts, intervals seconds, numerics numbers.

    ``more``: there were more rows than were asked for. ``pooled``: a connection pooler stands before the server.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...] = ()
    more: bool = False
    pooled: bool = False
    seconds: float = 0

    def each(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Address:
    """A database's address without its secrets: ``parameters`` are libpq's, by its own names.

    ``schema`` is Prisma's; ``pooled``: it says that a pooler stands before the server. ``password``: whether it has
    one. ``where`` is for people, ``db.example.com:5432/app``.
    """

    where: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    schema: str = ""
    pooled: bool = False
    password: bool = False


class Snapshot(Protocol):
    """One moment of a database, held for as long as its ``async with`` lasts. ``at`` is by the server's clock."""

    name: str
    """What ``pg_dump --snapshot`` is given."""
    at: datetime

    async def sql(
        self,
        statement: str,
        *,
        timeout: float,
        parameters: Sequence[JsonValue] = (),
        names: Mapping[str, str] | None = None,
        at_most: int = 1000,
    ) -> Rows:
        """As ``ReadDoor.sql``, in this moment. A statement that is refused does not end it; one without an end does."""
        ...


class Connection(Protocol):
    """One that the read door opened. Who was given it closes it."""

    socket: socket.socket
    """Connected, a stream. Over with ``close``, not by closing it."""

    def said(self) -> str:
        """What the program that carries it has said on its standard error so far, raw; empty where none does."""
        ...

    async def close(self) -> None:
        """Ends the program too. A second time does nothing."""
        ...


class ReadDoor(Protocol):
    """Everything read from outside goes through here: bounded in time and size, redacted, and in the command log."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str | PgPass] | None = None,
        cwd: Path | None = None,
        stdin: str | PgPass | None = None,
        stdin_file: Path | None = None,
        stdin_held: bool = False,
        stdout_file: Path | None = None,
        on_line: Callable[[str, str], None] | None = None,
    ) -> CallResult:
        """Runs a program that only reads. ``status`` is its exit status.

        ``stdin_file`` is what it reads, ``stdout_file`` a file that is there already and takes what it writes.
        ``stdin_held``: after ``stdin``, of no more than a few lines, its input stays open until it has ended, so that
        what watches it, on a machine further on, knows when nobody waits for it any more.
        ``on_line`` is told each line as it comes, raw, after the stream's name. The rest is as with ``ProcessCall``.
        """
        ...

    async def http(
        self,
        method: Literal["GET", "HEAD", "POST"],
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, JsonValue] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> CallResult:
        """``status`` is the HTTP status, ``data`` the reply's JSON where it is JSON.

        POST is for probes that a runbook declares. Any status is a reply; none at all raises ``Unreachable`` or
        ``TimedOut``, or ``CannotLook`` where that says nothing of the service: a name that can't be resolved, a
        certificate that this machine doesn't trust. Redirects are not followed, and an address that
        ``warroom.model.address`` refuses, after resolving, is not connected to: ``DoorRefused``.
        """
        ...

    async def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        """Lines of a long reply, as they come."""
        ...

    async def sql(
        self,
        secret: str,
        statement: str,
        *,
        timeout: float,
        parameters: Sequence[JsonValue] = (),
        names: Mapping[str, str] | None = None,
        at_most: int = 1000,
        database: str | None = None,
        through: Sequence[str] = (),
    ) -> Rows:
        """One query on PostgreSQL, in a read-only transaction that the server stops after ``timeout`` seconds.

        ``secret`` names the address, as Prisma or libpq write it; ``database`` is another one of that server.
        ``through`` are the words of a program whose input and output are a connection to the server.

        ``%s`` in the statement takes the next parameter; ``{table}`` takes the name under ``table``, quoted.
        ``StoreRefused`` with PostgreSQL's code when it says no, ``Unreachable`` or ``TimedOut`` when it says nothing,
        ``DoorRefused`` for what does not only read.
        """
        ...

    def address(self, secret: str) -> Address:
        """The address that a secret holds. Raises ``WarroomError`` where it is not set, or is none."""
        ...

    def snapshot(
        self, secret: str, *, timeout: float, database: str | None = None, through: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Snapshot]:
        """One moment of a database, on a connection of its own, for programs too. Raises what ``sql`` raises.

        It holds up the server's cleaning for as long as it lasts. ``StoreRefused`` through a pooler.
        """
        ...

    async def redis(self, secret: str, *command: str, timeout: float) -> JsonValue:
        """One command that only reads, such as ``"INFO"``: its reply as plain JSON, bytes as text.

        ``DoorRefused`` for any other command; ``StoreRefused``, ``Unreachable`` and ``TimedOut`` as with ``sql``.
        """
        ...

    async def dial(self, to: str | Sequence[str], *, timeout: float) -> Connection:
        """A connection for a protocol that the plugin speaks itself, and that it only reads with.

        ``to`` is ``unix:/PATH``, ``tcp:HOST:PORT``, or the words of a program whose standard input and output are the
        connection: one that can ask nobody anything, such as ssh in BatchMode. ``Unreachable``, ``TimedOut``,
        ``ProgramMissing``; ``DoorRefused`` for an address that ``warroom.model.address`` refuses.
        """
        ...

    async def ask(
        self, line: str, work: Coroutine[Any, Any, T], *, timeout: float, status: Callable[[T], int] | None = None
    ) -> T:
        """What ``work`` gives: one question that a plugin asks over a protocol and a connection of its own.

        ``line`` is how it would be pasted, and stands in the command log with ``status`` of what came (0 without one)
        and the time it took. ``TimedOut`` after ``timeout`` seconds; a ``WarroomError`` passes, its words cleaned.
        """
        ...
