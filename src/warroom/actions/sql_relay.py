"""A server that only a program can reach, such as one in a container that publishes no port.

libpq takes a host or a socket, never a descriptor. So a socket of ours in a private folder is listened on, and for each
connection the program is started anew, with the connection as its standard input and output.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from warroom import process
from warroom.errors import WarroomError

PORT = "5432"
"""The number in the socket's name; no port is opened."""
_CHUNK = 65_536


class Relay:
    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()
        self._said = ""
        self._starting = asyncio.Lock()

    async def place(self) -> dict[str, str]:
        """Where libpq connects to. The socket is there when this returns."""
        async with self._starting:
            if self._folder is None or self._server is None:
                self._folder = Path(tempfile.mkdtemp(prefix="warroom-"))  # 0700
                self._server = await asyncio.start_unix_server(self._carry, self._folder / f".s.PGSQL.{PORT}")
        return {"host": str(self._folder), "port": PORT}

    def said(self) -> str:
        """What the program said when it last ended by itself; empty where it said nothing."""
        return self._said

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in list(self._carried):
            task.cancel()
        if self._carried:
            await asyncio.wait(self._carried)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        try:
            await self._between(reader, writer)
        except asyncio.CancelledError:  # asyncio complains of a connection's task that ends so, though we closed it
            if self._server is not None:
                raise
        except (OSError, WarroomError) as error:  # whoever connected sees it closed, and asks what was said
            self._said = str(error)[:400]
        finally:
            self._carried.discard(task)
            writer.close()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._said = ""
        dialed = process.dial(self._words)
        try:
            there, here = await asyncio.open_connection(sock=dialed.socket)
            out = asyncio.create_task(_copy(reader, here))
            back = asyncio.create_task(_copy(there, writer))
            try:
                ended, _ = await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in (out, back):
                    task.cancel()
                await asyncio.wait({out, back})
                here.close()
        finally:
            await dialed.close()
            self._said = " ".join(dialed.said().split())[:400]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
