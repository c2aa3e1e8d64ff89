"""The engine's end of the wire: one client's connection to a session."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial

from warroom.errors import BadInput, WarroomError
from warroom.model.base import Fact
from warroom.session import PROTOCOL, Session
from warroom.session.messages import (
    FROM_CLIENT,
    LINE_LIMIT,
    AskMore,
    AskQuery,
    AskSubmit,
    AskWatch,
    Cancel,
    FromClient,
    Hello,
    Lines,
    Malformed,
    TellEnd,
    TellFrame,
    TellPage,
    TellReply,
    close_writer,
    decode,
    encode,
    error_told,
    other_version,
)

MOST_AT_ONCE = 64
"""Requests and watches of one client under way at the same time; more are refused."""

Work = Callable[[], Coroutine[None, None, None]]
"""Made by the task that awaits it: a request that is cancelled before it is begun leaves nothing behind."""

_LOG = logging.getLogger(__name__)


async def serve(
    session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int = LINE_LIMIT
) -> None:
    """Answers one client until it goes away or breaks the protocol, then releases all its watches.

    The session stays open: it belongs to the caller, and says who this client is. Lines are at most ``limit`` bytes.
    """
    connection = _Connection(session, Lines(reader, limit), writer, limit)
    try:
        await connection.run()
    finally:
        await connection.release()


class _Gone(Exception):
    """The client is not there any more; not to be taken for an OSError of the session's own."""


class _Connection:
    def __init__(self, session: Session, lines: Lines, writer: asyncio.StreamWriter, limit: int) -> None:
        self._session = session
        self._lines = lines
        self._writer = writer
        self._limit = limit
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._credit: dict[int, asyncio.Semaphore] = {}

    async def run(self) -> None:
        try:
            await self._tell(Hello())
            if await self._greeted():
                while (line := await self._lines.next()) is not None:
                    await self._heard(line)
        except WarroomError as error:
            with contextlib.suppress(_Gone):
                await self._tell(error_told(None, error))
        except _Gone:
            _LOG.debug("a client went away while it was being told something")

    async def release(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_writer(self._writer)

    async def _greeted(self) -> bool:
        line = await self._lines.next()
        if line is None:
            return False
        hello = decode(FROM_CLIENT, line)
        if not isinstance(hello, Hello):
            raise Malformed("The first line must be a hello.")
        if hello.protocol != PROTOCOL:
            raise other_version(hello.protocol)
        return True

    async def _heard(self, line: bytes) -> None:
        try:
            asked = decode(FROM_CLIENT, line)
        except Malformed as error:
            if error.request is None:
                raise
            await self._tell(error_told(error.request, error))
            return
        await self._dispatch(asked)

    async def _dispatch(self, asked: FromClient) -> None:
        match asked:
            case AskMore():
                credit = self._credit.get(asked.id)
                for _ in range(asked.credit if credit else 0):
                    self._credit[asked.id].release()
            case Cancel():
                if asked.id in self._tasks:
                    self._tasks[asked.id].cancel()
            case AskWatch():
                self._credit[asked.id] = asyncio.Semaphore(asked.credit)
                await self._begin(asked.id, partial(self._watch, asked))
            case AskQuery():
                await self._begin(asked.id, partial(self._query, asked))
            case AskSubmit():
                await self._begin(asked.id, partial(self._submit, asked))
            case Hello():
                raise Malformed("A second hello came.")

    async def _begin(self, request: int, work: Work) -> None:
        refusal = ""
        if request in self._tasks:
            refusal = f"Request {request} is still being answered."
        elif len(self._tasks) >= MOST_AT_ONCE:
            refusal = f"{MOST_AT_ONCE} requests of this client are under way already."
        if refusal:
            await self._tell(error_told(request, BadInput("Too much was asked at once", refusal)))
            return
        task = asyncio.create_task(self._answered(request, work))
        self._tasks[request] = task
        task.add_done_callback(lambda _: self._ended(request))

    def _ended(self, request: int) -> None:
        self._tasks.pop(request, None)
        self._credit.pop(request, None)

    async def _answered(self, request: int, work: Work) -> None:
        """Whatever goes wrong is told; a client that is gone needs no telling."""
        try:
            try:
                await work()
            except WarroomError as error:
                await self._tell(error_told(request, error))
            except _Gone:
                raise
            except Exception as error:  # noqa: BLE001 - a fault in one answer must not end the others; it is logged
                _LOG.exception("a request failed")
                cause = f"{type(error).__name__} was raised; warroom's own log has the rest."
                await self._tell(error_told(request, WarroomError("The engine could not answer", cause)))
        except _Gone:
            _LOG.debug("a client went away while it was being answered")

    async def _watch(self, asked: AskWatch) -> None:
        credit = self._credit[asked.id]
        stream = self._session.watch(asked.since)
        try:
            while True:
                await credit.acquire()
                frame = await anext(stream, None)
                if frame is None:
                    break
                await self._tell(TellFrame(id=asked.id, frame=frame))
        finally:
            await stream.aclose()
        await self._tell(TellEnd(id=asked.id))

    async def _query(self, asked: AskQuery) -> None:
        await self._tell(TellPage(id=asked.id, page=await self._session.query(asked.query)))

    async def _submit(self, asked: AskSubmit) -> None:
        reply = await self._session.submit(asked.intent_id, asked.intent)
        await self._tell(TellReply(id=asked.id, reply=reply))

    async def _tell(self, message: Fact) -> None:
        line = encode(message, self._limit)
        try:
            self._writer.write(line)
            await self._writer.drain()
        except OSError as error:
            raise _Gone from error
