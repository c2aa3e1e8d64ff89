"""What stands in an engine's place may answer anything, or never end: it is said, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.compose_reading import LONG, context_of
from warroom.api import TimedOut, WarroomError
from warroom_compose.client import Engine, engine
from warroom_compose.files import LARGEST, contents
from warroom_compose.sdk import LARGEST as LONGEST_ANSWER

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(body: object, status: int = 200, headers: str = "") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n{headers}\r\n".encode() + text


VERSION = answer({"Version": "20.10", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})


@contextlib.asynccontextmanager
async def asked(tmp_path: Path, told: Answer | bytes, *, version: bytes = VERSION) -> AsyncIterator[Engine]:
    """An engine that gives its version, and then this to every question. ``told`` ends when nobody takes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/version" in head.split(b"\r\n")[0]:
                    writer.write(version)
                elif isinstance(told, bytes):
                    writer.write(told)
                else:
                    await told(writer)
                await writer.drain()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    config = {"project": "shop", "services": {"web": {}}, "host": f"unix://{tmp_path}/s", "timeout": 1}
    async with server, context_of(config) as ctx, asyncio.timeout(LONG), engine(ctx) as of:
        yield of
    assert [each.name for each in threading.enumerate() if each.name.startswith("docker")] == []


@pytest.mark.parametrize("drop", [b"HTTP/1.1 200 OK\r\n", HEAD], ids=["head", "body"])
async def test_an_answer_that_never_ends_is_not_read_on_once_nobody_waits(drop: bytes, tmp_path: Path) -> None:
    """It comes drop by drop, so that no single read is late. The connection ends while the engine is still in use."""
    ended = asyncio.Event()

    async def told(writer: asyncio.StreamWriter) -> None:
        writer.write(drop)
        try:
            while True:
                writer.write(b"1\r\n \r\n" if drop == HEAD else b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        finally:
            ended.set()

    async with asked(tmp_path, told) as of:
        with pytest.raises(TimedOut):
            await of.ask(lambda api: api.info())
        await ended.wait()


async def test_an_answer_that_is_far_too_long_is_not_kept(tmp_path: Path) -> None:
    taken = 0

    async def told(writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        writer.write(HEAD)
        while True:
            writer.write(b"100000\r\n" + b" " * 2**20 + b"\r\n")
            await writer.drain()
            taken += 2**20

    async with asked(tmp_path, told) as of:
        with pytest.raises(WarroomError, match="answer can't be read"):
            await of.ask(lambda api: api.info(), timeout=20)
    assert taken < LONGEST_ANSWER + 8 * 2**20


async def test_an_engine_that_names_another_place_is_not_followed(tmp_path: Path) -> None:
    came: list[object] = []

    def arrived(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername"))
        writer.close()

    elsewhere = await asyncio.start_server(arrived, "127.0.0.1", 0)
    port = elsewhere.sockets[0].getsockname()[1]
    async with elsewhere:
        for scheme in ("https", "http"):
            told = answer(b"", 302, f"Location: {scheme}://127.0.0.1:{port}/x\r\n")
            (tmp_path / scheme).mkdir()
            async with asked(tmp_path / scheme, told) as of:
                with pytest.raises(WarroomError, match="can't be read"):
                    await of.ask(lambda api: api.info())
    assert came == []


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(answer([1], 500), id="an error that is a list"),
        pytest.param(answer({"error": "x"}, 502), id="an error without a message"),
        pytest.param(answer(b"[" * 100_000), id="too deep"),
        pytest.param(answer(b'{"ID": ' + b"9" * 10_000 + b"}"), id="a number too long"),
        pytest.param(answer(b"{"), id="cut off"),
        pytest.param(answer(b"x", headers="Content-Encoding: gzip\r\n"), id="not packed as it says"),
    ],
)
async def test_answers_that_no_engine_gives_are_errors_for_people(told: bytes, tmp_path: Path) -> None:
    async with asked(tmp_path, told) as of:
        with pytest.raises(WarroomError, match="answer can't be read"):
            await of.ask(lambda api: api.info())


@pytest.mark.parametrize("told", [[1], None, "x"], ids=["list", "null", "text"])
async def test_what_says_no_version_is_no_engine(told: Any, tmp_path: Path) -> None:
    async with asked(tmp_path, b"", version=answer(told)) as of:
        with pytest.raises(WarroomError, match="answer can't be read"):
            await of.ask(lambda api: api.info())


@pytest.mark.parametrize("text", ["[]", '{"auths": {"x": "y"}}', '{"auths": [1]}', '{"HttpHeaders": [1]}'])
async def test_docker_s_own_configuration_may_be_broken(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    async with asked(tmp_path, b"") as of:
        with pytest.raises(WarroomError, match="can't be read"):
            await of.ask(lambda api: api.info())


def test_only_plain_files_are_read_for_a_project(tmp_path: Path) -> None:
    """A container's label names them: a pipe would hold the console up, a device would fill its memory."""
    (tmp_path / "plain").write_bytes(b"services: {}")
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "environment").symlink_to("/proc/self/environ")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)
    assert contents(tmp_path / "plain") == contents(tmp_path / "link") == b"services: {}"
    here = [str(tmp_path / name) for name in ("pipe", "large", "environment", "none", ".", "a\0b", "x" * 5000)]
    for name in (*here, "/dev/zero", "/proc/self/environ", "/proc/kmsg", "/proc/self/root/proc/self/environ"):
        with pytest.raises(OSError, match=r"plain file|larger than|No such file|null|too long"):
            contents(name)
