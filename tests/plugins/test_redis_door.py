"""Reading from real Redis servers: a list of commands, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.servers import PASSWORD, RedisServer, running_redis
from tests.stores import Door
from warroom.actions.redis_reading import ALLOWED, checked
from warroom.errors import BadInput, CannotLook, DoorRefused, StoreRefused, TimedOut, Unreachable
from warroom_redis.info import serves

NAME = "env:REDIS_URL"


@pytest.fixture
def there(door: Door, redis: RedisServer) -> Door:
    door.secrets[NAME] = redis.url
    return door


async def test_what_it_says_comes_as_plain_json(there: Door, redis: RedisServer) -> None:
    assert await there.read.redis(NAME, "PING", timeout=60) == "PONG"
    info = await there.read.redis(NAME, "info", "server", timeout=60)
    assert isinstance(info, str)
    assert f"tcp_port:{redis.port}" in info
    assert await there.read.redis(NAME, "CONFIG", "GET", "maxmemory", timeout=60) == ["maxmemory", str(4 * 2**20)]
    role = await there.read.redis(NAME, "ROLE", timeout=60)
    assert isinstance(role, list)
    assert role[0] == "master"
    assert isinstance(await there.read.redis(NAME, "DBSIZE", timeout=60), int)
    assert there.shown[0] == 'redis-cli -u "$REDIS_URL" PING'


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "a", "1"),
        ("set", "a", "1"),
        ("GET", "a"),
        ("FLUSHALL",),
        ("EVAL", "return redis.call('set', 'a', '1')", "0"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "GET", "requirepass"),
        ("CONFIG", "GET", "maxmemory", "requirepass"),
        ("CONFIG", "GET"),
        ("CONFIG",),
        ("CLIENT", "KILL", "ID", "1"),
        ("CLIENT", "PAUSE", "1000"),
        ("MEMORY", "PURGE"),
        ("DEBUG", "SLEEP", "1"),
        ("MONITOR",),
        ("KEYS", "*"),
        ("SHUTDOWN",),
        ("PING\r\nSET a 1",),
        ("INFO SERVER",),
        ("",),
        (),
    ],
)
async def test_nothing_else_is_asked(there: Door, redis: RedisServer, command: tuple[str, ...]) -> None:
    with redis.client() as beside:
        beside.set("a", "before")
        with pytest.raises(DoorRefused):
            await there.read.redis(NAME, *command, timeout=60)
        assert beside.get("a") == b"before"
        assert int(beside.config_get("maxmemory")["maxmemory"]) == 4 * 2**20


async def test_by_redis_own_word_none_of_them_writes(redis: RedisServer) -> None:
    with redis.client() as beside:
        for name in sorted(ALLOWED):
            (about,) = beside.execute_command("COMMAND", "INFO", name.split()[0]).values()
            if " " not in name:
                assert "write" not in about["flags"], name
            checked((*name.split(), "maxmemory"))


async def test_a_wrong_password_is_told_without_it(door: Door, redis: RedisServer) -> None:
    for url, code in (
        (redis.url.replace(PASSWORD, "Wrong-password-77aa1"), "WRONGPASS"),
        (redis.url.replace(f":{PASSWORD}@", ""), "NOAUTH"),
    ):
        door.secrets[NAME] = url
        with pytest.raises(StoreRefused) as refused:
            await door.read.redis(NAME, "PING", timeout=60)
        assert refused.value.code == code
        assert refused.value.hint
        for text in (str(refused.value), repr(refused.value), *door.shown):
            assert "Wrong-password-77aa1" not in text


async def test_a_server_that_went_away_or_hangs_is_said_to_and_found_again_by_itself(door: Door) -> None:
    with running_redis() as server:
        door.secrets[NAME] = server.url
        assert await door.read.redis(NAME, "PING", timeout=60) == "PONG"
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimedOut):
                await door.read.redis(NAME, "PING", timeout=0.2)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert await door.read.redis(NAME, "PING", timeout=60) == "PONG"
        server.stop()
        with pytest.raises(Unreachable, match="could not be reached"):
            await door.read.redis(NAME, "PING", timeout=60)
        server.start()
        assert await door.read.redis(NAME, "PING", timeout=60) == "PONG"
        server.stop()
        server.start()
        assert await door.read.redis(NAME, "PING", timeout=60) == "PONG"


async def answering(reply: bytes) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        await reader.read()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


@pytest.mark.parametrize(("scheme", "words"), [("redis", "what answers is no Redis"), ("rediss", "does not speak TLS")])
async def test_what_is_no_redis_or_speaks_no_tls_says_nothing_of_redis(door: Door, scheme: str, words: str) -> None:
    async with await answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as server:
        port = server.sockets[0].getsockname()[1]
        door.secrets[NAME] = f"{scheme}://:{PASSWORD}@127.0.0.1:{port}/0"
        with pytest.raises(CannotLook, match=words) as told:
            await door.read.redis(NAME, "PING", timeout=60)
        await door.stores.close()
    assert told.value.hint
    assert serves(told.value) is None
    assert PASSWORD not in str(told.value)


async def test_a_database_that_redis_does_not_have_is_a_wrong_address(there: Door) -> None:
    there.secrets[NAME] = there.secrets[NAME].removesuffix("/0") + "/99"
    with pytest.raises(BadInput, match="has no database 99") as told:
        await there.read.redis(NAME, "PING", timeout=60)
    assert serves(told.value) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://:{PASSWORD}@h/0", "is no address of a Redis server"),
        (f"redis://:{PASSWORD}@h:port/0", "is no address of a Redis server"),
        (f"redis://:{PASSWORD}@h/first", "is no address of a Redis server"),
        (PASSWORD, "is no address of a Redis server"),
        ("unix://", "is no address of a Redis server"),
        (f"redis://:{PASSWORD}@169.254.169.254:6379", "cloud metadata service"),
        (f"rediss://:{PASSWORD}@169.254.169.254:6379", "cloud metadata service"),
        (f"redis://:{PASSWORD}@no-such-host.invalid", "can't be resolved"),
        (f"redis://:{PASSWORD}@127.0.0.1:1", "could not be reached"),
        (f"rediss://:{PASSWORD}@127.0.0.1:1?ssl_cert_reqs=none&family=0", "could not be reached"),
    ],
)
async def test_an_address_that_is_none_is_told_without_repeating_it(door: Door, url: str, words: str) -> None:
    door.secrets[NAME] = url
    with pytest.raises((BadInput, DoorRefused, Unreachable), match=words) as told:
        await door.read.redis(NAME, "PING", timeout=60)
    for text in (str(told.value), repr(told.value), *door.shown):
        assert PASSWORD not in text
