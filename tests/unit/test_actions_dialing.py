"""Connections through the read door: sockets, hosts, and programs that carry one."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.ports import free_port
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Connection
from warroom.engine.core import SystemClock
from warroom.errors import DoorRefused, ProgramMissing, TimedOut, Unreachable
from warroom.process import alive, start_time
from warroom.process.guard import GUARD
from warroom.redact import Redactor

LONG = 60.0
ECHO = "import sys\nfor line in sys.stdin.buffer:\n sys.stdout.buffer.write(line.upper())\n sys.stdout.buffer.flush()"


def door() -> tuple[Reading, CommandLog]:
    log = CommandLog()
    return Reading(HttpClient(), log, SystemClock(), Redactor()), log


async def said_back(connection: Connection, line: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    connection.socket.setblocking(False)
    async with asyncio.timeout(LONG):
        await loop.sock_sendall(connection.socket, line)
        return await loop.sock_recv(connection.socket, 100)


async def shouting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.readline()).upper())
    writer.close()


async def test_a_socket_in_the_file_system_and_a_host_are_reached(tmp_path: Path) -> None:
    reading, log = door()
    path = tmp_path / "s"
    async with await asyncio.start_unix_server(shouting, path):
        connection = await reading.dial(f"unix:{path}", timeout=LONG)
        assert await said_back(connection, b"hi\n") == b"HI\n"
        await connection.close()
        await connection.close()
    async with await asyncio.start_server(shouting, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = await reading.dial(f"tcp:127.0.0.1:{port}", timeout=LONG)
        assert await said_back(connection, b"ho\n") == b"HO\n"
        assert connection.said() == ""
        await connection.close()
    assert [line.text for line in log.newest(10)] == [f"nc -U {path}", f"nc 127.0.0.1 {port}"]


async def test_a_program_carries_one_and_ends_with_it() -> None:
    reading, _ = door()
    connection = await reading.dial([sys.executable, "-c", ECHO], timeout=LONG)
    assert await said_back(connection, b"hello\n") == b"HELLO\n"
    (pid,) = GUARD.running()
    began = start_time(pid)
    await connection.close()
    assert not alive(pid, began)
    assert GUARD.running() == set()


async def test_one_that_hears_nothing_is_ended_as_well() -> None:
    """The end of its input is not enough for one that only waits for the other side."""
    reading, _ = door()
    connection = await reading.dial([sys.executable, "-c", "import time; time.sleep(600)"], timeout=LONG)
    async with asyncio.timeout(LONG):
        await connection.close()
        await connection.close()
    assert GUARD.running() == set()


async def test_why_a_program_gave_up_can_be_read() -> None:
    reading, _ = door()
    code = "import sys; sys.exit('Host key verification failed.')"
    connection = await reading.dial([sys.executable, "-c", code], timeout=LONG)
    connection.socket.setblocking(False)
    async with asyncio.timeout(LONG):
        assert await asyncio.get_running_loop().sock_recv(connection.socket, 10) == b""
        while not connection.said():
            await asyncio.sleep(0.01)
    assert connection.said() == "Host key verification failed."
    await connection.close()


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    reading, log = door()
    with pytest.raises(Unreachable, match="no such file"):
        await reading.dial(f"unix:{tmp_path}/none", timeout=LONG)
    with pytest.raises(Unreachable, match="refused"):
        await reading.dial(f"tcp:127.0.0.1:{free_port()}", timeout=LONG)
    with pytest.raises(ProgramMissing):
        await reading.dial([str(tmp_path / "none")], timeout=LONG)
    with pytest.raises(DoorRefused, match="link-local"):
        await reading.dial("tcp:169.254.1.1:2375", timeout=LONG)
    assert all("#" in line.text for line in log.newest(10))


async def test_one_that_does_not_answer_is_not_waited_for() -> None:
    """A host whose queue of connections is full neither takes one nor refuses it."""
    reading, _ = door()
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(full.getsockname())
                waiting.append(one)
            with pytest.raises(TimedOut):
                await reading.dial(f"tcp:127.0.0.1:{full.getsockname()[1]}", timeout=0.3)
        finally:
            for one in waiting:
                one.close()


async def test_no_file_stays_open(tmp_path: Path) -> None:
    reading, _ = door()
    connection = await reading.dial([sys.executable, "-c", ECHO], timeout=LONG)  # the guardian has its pipe now
    await connection.close()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        connection = await reading.dial([sys.executable, "-c", ECHO], timeout=LONG)
        await connection.close()
        with pytest.raises(ProgramMissing):
            await reading.dial([str(tmp_path / "none")], timeout=LONG)
    for _ in range(1000):  # a pipe's end is closed a moment after its program's
        if len(os.listdir("/dev/fd")) <= before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(os.listdir('/dev/fd'))} files are open, not {before}")
