"""What travels between a client and an engine: one JSON object a line, UTF-8, at most ``LINE_LIMIT`` bytes.

Both sides begin with ``hello``. The client numbers what it asks; each answer names that number. A watch is paid for in
advance: the server sends at most as many frames as the client has asked for with ``watch`` and ``more``, so nothing
queues on the way, and a client that is slow is the session's to deal with (it coalesces, or sends a Resync).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from warroom import errors
from warroom.errors import BadInput, TryLater, WarroomError
from warroom.model.base import Fact, stored
from warroom.model.intent import Intent
from warroom.model.live import Page, Query
from warroom.session import PROTOCOL, Frame, Reply

LINE_LIMIT = 32 * 1024 * 1024
"""Bytes. A snapshot holds a whole runbook and a bounded state, and an attached picture may be 2 MB: all far below."""

CREDIT = 16
"""Frames of a watch that may be on their way at once."""

M = TypeVar("M")


class Hello(Fact):
    do: Literal["hello"] = "hello"
    protocol: int = PROTOCOL


class AskWatch(Fact):
    do: Literal["watch"] = "watch"
    id: int
    since: int | None = None
    credit: int = Field(default=CREDIT, ge=1, le=1000)


class AskMore(Fact):
    do: Literal["more"] = "more"
    id: int
    credit: int = Field(ge=1, le=1000)


class Cancel(Fact):
    """The answer to ``id`` is no longer wanted."""

    do: Literal["cancel"] = "cancel"
    id: int


class AskQuery(Fact):
    do: Literal["query"] = "query"
    id: int
    query: Query


class AskSubmit(Fact):
    do: Literal["submit"] = "submit"
    id: int
    intent_id: str = Field(max_length=200)
    intent: Intent


class TellFrame(Fact):
    do: Literal["frame"] = "frame"
    id: int
    frame: Frame


class TellEnd(Fact):
    """The watch ``id`` has ended."""

    do: Literal["end"] = "end"
    id: int


class TellPage(Fact):
    do: Literal["page"] = "page"
    id: int
    page: Page


class TellReply(Fact):
    do: Literal["reply"] = "reply"
    id: int
    reply: Reply


class TellError(Fact):
    """A WarroomError. ``id`` None: it is about the whole connection, which ends."""

    do: Literal["error"] = "error"
    id: int | None
    kind: str = "WarroomError"
    title: str
    cause: str = ""
    hint: str = ""
    after_s: float | None = None


FromClient = Annotated[Hello | AskWatch | AskMore | Cancel | AskQuery | AskSubmit, Field(discriminator="do")]
FromServer = Annotated[Hello | TellFrame | TellEnd | TellPage | TellReply | TellError, Field(discriminator="do")]
FROM_CLIENT: TypeAdapter[FromClient] = TypeAdapter(FromClient)
FROM_SERVER: TypeAdapter[FromServer] = TypeAdapter(FromServer)

_KINDS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, WarroomError)
}


class Malformed(BadInput):
    """A line that could not be read. ``id`` is the request it belongs to, where that much could be made out."""

    def __init__(self, cause: str, request: int | None = None) -> None:
        super().__init__("A line that is not of warroom's protocol came in", cause)
        self.request = request


def error_told(request: int | None, error: WarroomError) -> TellError:
    known = next((k.__name__ for k in type(error).__mro__ if k.__name__ in _KINDS), "WarroomError")
    after_s = error.after_s if isinstance(error, TryLater) else None
    return TellError(id=request, kind=known, title=error.title, cause=error.cause, hint=error.hint, after_s=after_s)


def error_meant(told: TellError) -> WarroomError:
    """The error as it was raised on the other side; of a kind unknown here, a plain WarroomError."""
    kind = _KINDS.get(told.kind, WarroomError)
    if issubclass(kind, TryLater):
        return kind(told.title, told.cause, told.hint, after_s=told.after_s)
    return kind(told.title, told.cause, told.hint)


def other_version(theirs: object) -> WarroomError:
    return WarroomError(
        "The console and the engine are of different versions",
        f"One speaks protocol {PROTOCOL}, the other {str(theirs)[:20]}.",
        "Start both from the same warroom.",
    )


def encode(message: Fact, limit: int = LINE_LIMIT) -> bytes:
    """One line. Raises ``BadInput`` when it would be longer than the other side accepts."""
    line = stored(message) + b"\n"
    if len(line) > limit:
        raise BadInput("An answer is too long to send", f"It has {len(line):,} bytes, and {limit:,} is the most.")
    return line


def decode(adapter: TypeAdapter[M], line: bytes) -> M:
    """Raises ``Malformed``, and WarroomError for a ``hello`` of another version."""
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        raw = _object(line)
        if raw.get("do") == "hello" and raw.get("protocol") != PROTOCOL:
            raise other_version(raw.get("protocol")) from None
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:120]
        request = raw.get("id")
        cause = f"{where}: {first['msg'][:200]}" if where else first["msg"][:200]
        raise Malformed(cause, request if type(request) is int else None) from None


def _object(line: bytes) -> dict[str, object]:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


class Lines:
    """Lines from a stream, whatever limit the stream itself was made with."""

    def __init__(self, reader: asyncio.StreamReader, limit: int = LINE_LIMIT) -> None:
        self._reader = reader
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0

    async def next(self) -> bytes | None:
        """The next line without its end; None when the peer is gone, whole line or not. Raises ``Malformed``."""
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > self._limit:
                raise Malformed(f"It has more than {self._limit:,} bytes.")
            try:
                data = await self._reader.read(256 * 1024)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data
        if end >= self._limit:
            raise Malformed(f"It has more than {self._limit:,} bytes.")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line


async def open_socket(sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams over one end of a connected socket, which they own from now on."""
    return await asyncio.open_connection(sock=sock)


async def close_writer(writer: asyncio.StreamWriter, patience: float = 2.0) -> None:
    """Closes after what was written has gone out, or without it when the peer reads nothing for ``patience`` s."""
    writer.close()
    with contextlib.suppress(OSError):
        try:
            async with asyncio.timeout(patience):
                await writer.wait_closed()
        except TimeoutError:
            writer.transport.abort()
