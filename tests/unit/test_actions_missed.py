"""Is it the other side that is away, or this machine that can't look?"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from warroom.actions.commands import CommandLog
from warroom.actions.connecting import checked_addresses
from warroom.actions.doors import HttpClient, Reading
from warroom.actions.missed import missed
from warroom.actions.stores import Stores
from warroom.engine.core import SystemClock
from warroom.errors import CannotLook, DoorRefused, TimedOut, Unreachable
from warroom.redact import Redactor


def untrusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "ours", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), False, "connection refused"),
        (OSError(errno.EHOSTUNREACH, "x"), False, "no route to host"),
        (OSError(errno.ENETUNREACH, "x"), True, "network is unreachable"),
        (OSError(errno.EMFILE, "x"), True, "too many open files"),
        (ExceptionGroup("all failed", [OSError(errno.ECONNREFUSED, "x")]), False, "connection refused"),
        (ExceptionGroup("all failed", [OSError(errno.ENETUNREACH, "x")]), True, "network is unreachable"),
        (untrusted(18, "self-signed certificate"), True, "self-signed certificate"),
        (untrusted(62, "hostname mismatch"), True, "hostname mismatch"),
        (untrusted(10, "certificate has expired"), False, "certificate has expired"),
        (ssl.SSLEOFError(8, "EOF occurred"), False, ""),
        (httpx.RemoteProtocolError("Server disconnected"), False, "Server disconnected"),
    ],
)
def test_whose_fault_it_is(error: Exception, ours: bool, words: str) -> None:
    outer = httpx.ConnectError("All connection attempts failed") if isinstance(error, OSError) else error
    if outer is not error:
        outer.__cause__ = error
    found = missed("app:443", outer)
    assert isinstance(found, CannotLook) is ours
    assert found.title == "app:443 could not be reached"
    assert words in found.cause
    assert bool(found.hint) is ours


def test_errors_made_from_each_other_in_a_circle_end() -> None:
    one, two = OSError("one"), OSError("two")
    one.__cause__, two.__cause__ = two, one
    assert missed("x", one).cause == "one"


@pytest.mark.parametrize(
    ("sent", "words", "patience"),
    [
        (b"", "no reply came", 0.2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "its reply (HTTP 200) began, and did not", 3.0),
    ],
)
async def test_a_reply_that_stops_half_way_is_told_from_none(sent: bytes, words: str, patience: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(sent)
        await reader.read()
        writer.close()

    http = HttpClient()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(TimedOut) as caught:
            await http.request("GET", url, timeout=patience)
        await http.close()
    assert words in caught.value.cause


async def test_a_refused_connection_says_so() -> None:
    http = HttpClient()
    with pytest.raises(Unreachable) as caught:
        await http.request("GET", "http://127.0.0.1:1/", timeout=5)
    await http.close()
    assert (type(caught.value), caught.value.cause) == (Unreachable, "connection refused")


@pytest.mark.parametrize("asks", ["http", "tcp", "postgres", "redis"])
async def test_a_name_server_that_is_away_says_nothing_of_the_service(
    asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(self: object, host: str, port: int, **_: object) -> object:
        assert host == "app.example"
        return await asyncio.Event().wait()

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", silent)
    http, stores = HttpClient(), Stores()
    addresses = {"env:DB": "postgresql://u:p@app.example/d", "env:CACHE": "redis://app.example"}
    door = Reading(http, CommandLog(), SystemClock(), Redactor(), stores=stores, secret=lambda name: addresses[name])
    asked: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "http": lambda: door.http("GET", "http://app.example/", timeout=1),
        "tcp": lambda: door.dial("tcp:app.example:80", timeout=1),
        "postgres": lambda: door.sql("env:DB", "SELECT 1", timeout=1),
        "redis": lambda: door.redis("env:CACHE", "PING", timeout=1),
    }
    with pytest.raises(CannotLook) as caught:
        await asked[asks]()
    assert caught.value.cause == "app.example can't be resolved: no name server answered in 0.6 s"
    assert caught.value.hint == "check the name, and this machine's own network"
    await http.close()
    await stores.close()


async def test_an_address_in_digits_waits_for_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: object, *_: object, **__: object) -> object:
        raise AssertionError("nobody is to be asked")

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", never)
    assert await checked_addresses("127.0.0.1", 80, 0.0) == ["127.0.0.1"]
    assert await checked_addresses("::1", 80, 0.0) == ["::1"]
    with pytest.raises(DoorRefused):
        await checked_addresses("169.254.169.254", 80, 0.0)
