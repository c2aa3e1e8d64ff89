"""Executes a SqlCall: its statements, exactly as they stand, one after the other, on a connection of its own.

Who is cut off leaves nothing half done of what belongs together: its end is the last thing that is sent, and a server
that loses a connection takes an open transaction back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from warroom.actions.patience import within
from warroom.actions.sql_connecting import connected, told
from warroom.actions.sql_reading import ENDING, Server, plain
from warroom.errors import StoreRefused, TimedOut, Unreachable
from warroom.model.call import CallResult, RolePassword, SqlCall

if TYPE_CHECKING:
    import psycopg

    from warroom.actions.sql_connecting import Connection

ROWS = 100
"""How many rows of a statement's are kept."""
BETWEEN = 0.02
"""Seconds between two rounds of what is repeated meanwhile."""
_CANCEL = 2.0


@dataclass
class _Done:
    """What came of it so far. ``each``: by statement, what it said and gave."""

    each: list[JsonValue] = field(default_factory=list)
    meanwhile: str = ""


async def execute(server: Server, call: SqlCall, secret: Callable[[str], str]) -> CallResult:
    """``secret`` gives a role's password.

    Raises Unreachable or TimedOut where it is not known what was done; StoreRefused where it let nobody in.
    """
    began = asyncio.get_running_loop().time()
    done = _Done()
    try:
        refused = await within(call.timeout_s, _all(server, call, secret, done), ending=ENDING)
    except TimeoutError:
        raise TimedOut(f"{server.address.where} did not answer in {call.timeout_s:g} s", _said(done)) from None
    seconds = asyncio.get_running_loop().time() - began
    data: dict[str, JsonValue] = {"statements": done.each}
    if refused is None:
        return CallResult(status=0, data=data, seconds=seconds, text=_said(done))
    number = len(done.each) + 1
    after = (
        "nothing of it was done" if call.together else f"{number - 1} of {len(call.statements)} statements were done"
    )
    text = f"{refused.cause} ({refused.code}, statement {number}); {after}"
    text += f"; meanwhile: {done.meanwhile}" if done.meanwhile else ""
    return CallResult(status=1, data={**data, "code": refused.code, "statement": number}, text=text, seconds=seconds)


def _said(done: _Done) -> str:
    return f"meanwhile: {done.meanwhile}" if done.meanwhile else ""


async def _all(server: Server, call: SqlCall, secret: Callable[[str], str], done: _Done) -> StoreRefused | None:
    """The refusal of the first statement that was refused."""
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(_own(server, call.timeout_s))
        if call.meanwhile is not None:
            beside = await stack.enter_async_context(_own(server, call.timeout_s))
            stack.push_async_callback(_stopped, asyncio.create_task(_repeated(beside, call.meanwhile, done)))
        return await _statements(server, connection, call, secret, done)


@asynccontextmanager
async def _own(server: Server, timeout: float) -> AsyncIterator[Connection]:
    connection = await connected(server.address, timeout, server.relay)
    try:
        yield connection
    except BaseException:
        with contextlib.suppress(Exception):  # it is closed in any case; this only spares the server some work
            await connection.cancel_safe(timeout=_CANCEL)
        raise
    finally:
        await connection.close()


async def _statements(
    server: Server, connection: Connection, call: SqlCall, secret: Callable[[str], str], done: _Done
) -> StoreRefused | None:
    import psycopg

    cursor = connection.cursor()
    try:
        await cursor.execute(f"SET statement_timeout = '{max(1, round(call.timeout_s * 1000))}ms'".encode())
        if call.together:
            await cursor.execute("BEGIN")
        for statement in call.statements:
            # Asked for binary, so that it goes by the extended protocol, which takes one statement.
            await cursor.execute(_sent(connection, statement, secret), binary=True)
            done.each.append(await _given(cursor))
        if call.together:
            await cursor.execute("COMMIT")
    except psycopg.Error as error:
        found = told(server.address, error)
        if isinstance(found, StoreRefused) and not connection.broken:
            return found
        raise Unreachable(found.title, found.cause, found.hint) from None
    return None


def _sent(connection: Connection, statement: str | RolePassword, secret: Callable[[str], str]) -> bytes:
    if isinstance(statement, str):
        return statement.encode()
    from psycopg import sql

    role, password = statement.role.encode(), secret(statement.password).encode()
    hashed = connection.pgconn.encrypt_password(password, role, b"scram-sha-256").decode()
    changed = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(statement.role), sql.Literal(hashed))
    return changed.as_bytes(connection)


async def _given(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> JsonValue:
    said: dict[str, JsonValue] = {"said": cursor.statusmessage or ""}
    if cursor.description is not None:
        rows = await cursor.fetchmany(ROWS)
        said["rows"] = [[plain(value) for value in row] for row in rows]
    return said


async def _repeated(connection: Connection, statement: str, done: _Done) -> None:
    """Again and again until it is stopped. What refuses it is said, and it is tried again."""
    import psycopg

    while True:
        try:
            await connection.execute(statement.encode(), binary=True)
        except psycopg.Error as error:
            done.meanwhile = " ".join(str(error).split())[:300]
            if connection.broken:
                return
        await asyncio.sleep(BETWEEN)


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
