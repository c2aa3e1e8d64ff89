"""The loop that the console and its engine run on."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from warroom.cli.loop import run


def test_names_that_can_not_be_looked_up_hold_up_neither_the_log_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty look-ups of a name server that is down: a thread reads all the same, and the end waits for none."""
    hanging, free = threading.Semaphore(0), threading.Event()

    def hangs(*_: Any, **__: Any) -> list[Any]:
        hanging.release()
        free.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)

    async def work() -> str:
        loop = asyncio.get_running_loop()
        asked = [asyncio.ensure_future(loop.getaddrinfo("db.example", 5432)) for _ in range(40)]
        await asyncio.sleep(0)  # they are begun
        async with asyncio.timeout(20):
            read = await asyncio.to_thread(lambda: "read")
        assert not any(each.done() for each in asked)
        return read

    try:
        assert run(work) == "read"
        assert not free.is_set()
        for _ in range(40):
            assert hanging.acquire(timeout=20)
    finally:
        free.set()


def test_a_name_is_looked_up_as_ever() -> None:
    async def work() -> Any:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("127.0.0.1", 80, family=socket.AF_INET6)
        return found

    assert run(work) == socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)


def test_an_end_waits_for_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked has gone meanwhile, and so has the loop: the answer that comes then is nobody's."""
    free, gone = threading.Event(), threading.Event()

    def late(*_: Any, **__: Any) -> list[Any]:
        free.wait(60)
        gone.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", late)
    trouble: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", trouble.append)

    async def work() -> None:
        asked = asyncio.ensure_future(asyncio.get_running_loop().getaddrinfo("db.example", 5432))
        await asyncio.sleep(0)
        asked.cancel()

    run(work)
    free.set()
    assert gone.wait(20)
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(20)
    assert trouble == []
