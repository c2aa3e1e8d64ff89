"""A session over JSON lines: the client, and what tests need to join it to a server. ``messages`` has the protocol.

Lines are at most ``LINE_LIMIT`` (32 MiB). Only frames that the consumer has room for are sent, so nothing queues for
ever: durable events wait in the session, which coalesces live values and resyncs a watcher that falls far behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from warroom.errors import Unreachable, WarroomError
from warroom.model.base import Fact
from warroom.model.intent import Intent
from warroom.model.live import Page, Query
from warroom.session import Frame, Live, Reply, Session
from warroom.session.messages import (
    CREDIT,
    FROM_SERVER,
    LINE_LIMIT,
    AskMore,
    AskQuery,
    AskSubmit,
    AskWatch,
    Cancel,
    FromServer,
    Hello,
    Lines,
    Malformed,
    TellEnd,
    TellError,
    TellFrame,
    TellPage,
    TellReply,
    close_writer,
    decode,
    encode,
    error_meant,
    open_socket,
    other_version,
)
from warroom.session.serving import serve

__all__ = ["LINE_LIMIT", "JsonLinesSession", "Streams", "open_pair", "open_socket", "paired", "serve"]

QUERIES_AT_ONCE = 32
"""Further queries wait here, so that an intent always finds a free place at the server."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
A = TypeVar("A", TellPage, TellReply)


class _Watch:
    """One watch's frames that came and were not taken yet: never more than were paid for, and an end.

    Live values that wait behind each other become one, so that a consumer that was busy is shown the newest only.
    """

    def __init__(self) -> None:
        self._frames: deque[tuple[Frame | WarroomError | None, int]] = deque()
        self._some = asyncio.Event()

    def put(self, frame: Frame | WarroomError | None) -> None:
        count = 1
        if isinstance(frame, Live) and self._frames and isinstance(waiting := self._frames[-1][0], Live):
            frame = Live(at=frame.at, values={**waiting.values, **frame.values})
            count += self._frames.pop()[1]
        self._frames.append((frame, count))
        self._some.set()

    async def take(self) -> tuple[Frame | WarroomError | None, int]:
        """The next frame, and how many sent ones it stands for."""
        while not self._frames:
            self._some.clear()
            await self._some.wait()
        return self._frames.popleft()


class JsonLinesSession:
    """A ``Session`` whose engine is at the other end of a stream. Made within a running event loop.

    Everything raises ``Unreachable`` once the engine is gone or this session was closed, and the engine's own
    ``WarroomError`` as it was raised there.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int = LINE_LIMIT) -> None:
        self._writer = writer
        self._limit = limit
        self._ids = itertools.count(1)
        self._calls: dict[int, asyncio.Future[FromServer]] = {}
        self._watches: dict[int, _Watch] = {}
        self._room = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._over: WarroomError | None = None
        self._greeted = asyncio.Event()
        self._reading = asyncio.create_task(self._read(Lines(reader, limit)))
        writer.write(encode(Hello()))

    async def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        await self._ready()
        request = next(self._ids)
        watch = self._watches[request] = _Watch()
        taken = 0
        try:
            await self._send(AskWatch(id=request, since=since, credit=CREDIT))
            while True:
                frame, count = await watch.take()
                if frame is None:
                    return
                if isinstance(frame, WarroomError):
                    raise frame
                yield frame
                taken += count
                if taken >= CREDIT // 2:
                    await self._send(AskMore(id=request, credit=taken))
                    taken = 0
        finally:
            if self._watches.pop(request, None) is not None:
                self._forget(request)

    async def query(self, query: Query) -> Page:
        await self._ready()
        request = next(self._ids)
        try:
            async with self._room:
                return (await self._call(AskQuery(id=request, query=query), request, TellPage)).page
        except asyncio.CancelledError:
            self._forget(request)
            raise

    async def submit(self, intent_id: str, intent: Intent) -> Reply:
        """Cancelling this only stops the waiting: the intent was sent."""
        await self._ready()
        request = next(self._ids)
        return (await self._call(AskSubmit(id=request, intent_id=intent_id, intent=intent), request, TellReply)).reply

    async def close(self) -> None:
        """Watches end, calls under way raise ``Unreachable``. The engine goes on."""
        self._end(Unreachable("This session is closed", "", "Open another one."), quietly=True)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await close_writer(self._writer)

    async def _ready(self) -> None:
        await self._greeted.wait()
        if self._over is not None:
            raise self._over

    async def _call(self, message: Fact, request: int, kind: type[A]) -> A:
        future: asyncio.Future[FromServer] = asyncio.get_running_loop().create_future()
        self._calls[request] = future
        try:
            await self._send(message)
            answer = await future
        finally:
            self._calls.pop(request, None)
        if isinstance(answer, TellError):
            raise error_meant(answer)
        if not isinstance(answer, kind):
            raise Malformed(f"{kind.__name__} was expected as the answer, not {type(answer).__name__}.")
        return answer

    async def _send(self, message: Fact) -> None:
        if self._over is not None:
            raise self._over
        try:
            self._writer.write(encode(message, self._limit))
            await self._writer.drain()
        except OSError as error:
            raise self._end(_gone(str(error))) from error

    def _forget(self, request: int) -> None:
        """Tells the engine without waiting: this is called while something is being cancelled."""
        if self._over is None:
            self._writer.write(encode(Cancel(id=request)))

    async def _read(self, lines: Lines) -> None:
        try:
            while (line := await lines.next()) is not None:
                self._heard(decode(FROM_SERVER, line))
        except WarroomError as error:
            self._end(error)
            self._writer.close()
        else:
            self._end(_gone("It ended the connection."))

    def _heard(self, told: FromServer) -> None:
        match told:
            case Hello():
                if told.protocol != Hello().protocol:
                    raise other_version(told.protocol)
                self._greeted.set()
            case TellError(id=None):
                raise error_meant(told)
            case TellFrame():
                if told.id in self._watches:
                    self._watches[told.id].put(told.frame)
            case TellEnd():
                self._finish(told.id, None)
            case TellError() if told.id in self._watches:
                self._finish(told.id, error_meant(told))
            case TellPage() | TellReply() | TellError():
                call = self._calls.get(told.id) if told.id is not None else None
                if call is not None and not call.done():
                    call.set_result(told)

    def _finish(self, request: int, last: WarroomError | None) -> None:
        watch = self._watches.pop(request, None)
        if watch is not None:
            watch.put(last)

    def _end(self, error: WarroomError, *, quietly: bool = False) -> WarroomError:
        """The session is over, for the first reason it was given. ``quietly``: watches just end."""
        if self._over is None:
            self._over = error
            self._greeted.set()
            for request in list(self._watches):
                self._finish(request, None if quietly else error)
            for call in self._calls.values():
                if not call.done():
                    call.set_exception(error)
        return self._over


def _gone(cause: str) -> Unreachable:
    return Unreachable("The engine is gone", cause, "Start warroom again: the journal has everything it acknowledged.")


async def open_pair() -> tuple[Streams, Streams]:
    """Two ends of one connection within this process."""
    left, right = socket.socketpair()
    return await open_socket(left), await open_socket(right)


@contextlib.asynccontextmanager
async def paired(session: Session) -> AsyncIterator[JsonLinesSession]:
    """``session`` as a client on the other side of a socket pair sees it; both ends are closed afterwards."""
    ours, theirs = await open_pair()
    serving = asyncio.create_task(serve(session, *theirs))
    client = JsonLinesSession(*ours)
    try:
        yield client
    finally:
        await client.close()
        await serving
