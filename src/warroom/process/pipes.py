"""Reading and feeding a program's pipes without holding up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import IO

OnLine = Callable[[str, str], None]
"""Called in the event loop with the stream's name ("stdout" or "stderr") and a line without its end."""

LINE_LIMIT = 64 * 1024
"""Bytes. A longer line is handed on in pieces of this size, so that one endless line can't fill the memory."""

DRAIN_SECONDS = 2.0
"""After a program has ended, its own children may still hold its output open; they get this long to finish it."""

_CHUNK = 64 * 1024


class Sink:
    """Takes what a stream brings: keeps its first ``limit`` bytes and cuts it into lines for ``on_line``.

    Bytes that are no UTF-8 become U+FFFD. Lines end at a newline, or CR and newline; control bytes are left in.
    """

    def __init__(self, name: str, limit: int, on_line: OnLine | None) -> None:
        self.name = name
        self.kept = bytearray()
        self.truncated = False
        self._limit = limit
        self._on_line = on_line
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        room = self._limit - len(self.kept)
        self.kept += chunk[: max(room, 0)]
        self.truncated = self.truncated or len(chunk) > room
        if self._on_line is None:
            return
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._hand_on(line.removesuffix(b"\r"))
        while len(rest) > LINE_LIMIT:
            cut = _character_start(rest, LINE_LIMIT)
            self._hand_on(rest[:cut])
            rest = rest[cut:]
        self._rest = rest

    def close(self) -> None:
        """The stream has ended; a last line without an end is handed on."""
        if self._rest:
            self._hand_on(self._rest)
            self._rest = b""

    def _hand_on(self, line: bytes) -> None:
        assert self._on_line is not None
        while len(line) > LINE_LIMIT:
            cut = _character_start(line, LINE_LIMIT)
            self._on_line(self.name, line[:cut].decode("utf-8", "replace"))
            line = line[cut:]
        self._on_line(self.name, line.decode("utf-8", "replace"))


def _character_start(data: bytes, near: int) -> int:
    """The last place at or before ``near`` where a UTF-8 character begins."""
    for place in range(near, near - 4, -1):
        if data[place] & 0xC0 != 0x80:
            return place
    return near


async def pump(file: IO[bytes], sink: Sink) -> None:
    """Read the file to its end into the sink, then close both."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    try:
        while chunk := await reader.read(_CHUNK):
            sink.take(chunk)
        sink.close()
    finally:
        transport.close()


async def feed(file: IO[bytes], data: bytes) -> None:
    """Write the data and close. A reader that goes away before it has read all is no error."""
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, file)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            writer.write(data)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
    except asyncio.CancelledError:
        transport.abort()
        raise
