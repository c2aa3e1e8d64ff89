"""Signals of Redis, each on the real fault."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.servers import PASSWORD, RedisServer, running_redis
from tests.stores import Door, first_samples, until_sample
from warroom.api import Context, WarroomError
from warroom.errors import BadInput
from warroom.model.signal import Sample
from warroom.testing.fakes import FakeFolder, FakeReadDoor, a_context
from warroom_redis import plugin
from warroom_redis.config import Config
from warroom_redis.info import Counters, memory, parsed, per_minute, role
from warroom_redis.signals import OFFERS, look

NAME = "env:REDIS_URL"
SIGNALS = plugin.signals
assert SIGNALS is not None


def looking(door: Door, **config: Any) -> Context:
    return door.context("cache", Config, **{"every": "0.2s", **config})


async def looked(ctx: Context, *names: str) -> dict[str, Sample]:
    assert SIGNALS is not None
    return await first_samples(SIGNALS, ctx, *names)


async def test_a_healthy_cache_gives_every_signal(door: Door, redis: RedisServer) -> None:
    door.secrets[NAME] = redis.url
    found = await looked(looking(door), *OFFERS)
    values = {name: sample.value for name, sample in found.items()}
    used, size, clients = (values.pop(name) for name in ("memory-used", "memory-bytes", "clients"))
    assert used is not None
    assert size is not None
    assert 0.1 < used < 1
    assert size / (4 * 2**20) == pytest.approx(used, rel=0.2)
    assert clients is not None
    assert clients >= 1
    assert values == {"reachable": 1, "evictions": 0, "clients-blocked": 0, "clients-rejected": 0, "role": 1}
    assert found["memory-used"].words.endswith("of 4.0 MB, allkeys-lru")
    assert {sample.source for sample in found.values()} == {"cache"}


async def test_a_full_cache_and_what_it_throws_out(door: Door) -> None:
    with running_redis("--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru") as server, server.client() as client:
        door.secrets[NAME] = server.url
        ctx = looking(door)
        before = (await looked(ctx, "memory-used"))["memory-used"].value

        async def fill() -> None:
            for number in range(1_000_000):
                client.set(f"key:{number}", "x" * 1000)
                await asyncio.sleep(0)

        filling = asyncio.create_task(fill())
        assert SIGNALS is not None
        evicting = await until_sample(SIGNALS, ctx, "evictions", lambda sample: (sample.value or 0) > 0)
        full = await until_sample(SIGNALS, ctx, "memory-used", lambda sample: (sample.value or 0) > 0.9)
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        assert before is not None
        assert full.value is not None
        assert before < full.value <= 1
        assert evicting.count is not None
        assert evicting.count > 0
        assert evicting.words.startswith(f"{evicting.count} evicted in ")
        await until_sample(SIGNALS, ctx, "evictions", lambda sample: sample.value == 0)


async def test_without_a_limit_the_ratio_is_unknown_and_the_bytes_are_not(door: Door) -> None:
    with running_redis() as server:
        door.secrets[NAME] = server.url
        found = await looked(looking(door), "memory-used", "memory-bytes")
        assert found["memory-used"].value is None
        assert found["memory-used"].words.startswith("maxmemory is not set; ")
        assert (found["memory-bytes"].value or 0) > 500_000


async def test_connections_that_are_rejected(door: Door) -> None:
    with running_redis("--maxclients", "3") as server:
        door.secrets[NAME] = server.url
        ctx = looking(door)
        assert SIGNALS is not None
        assert (await looked(ctx, "reachable"))["reachable"].value == 1
        watching = asyncio.create_task(
            until_sample(SIGNALS, ctx, "clients-rejected", lambda sample: (sample.value or 0) > 0)
        )
        for _ in range(200):
            await asyncio.sleep(0.02)
            writers = [(await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(5)]
            for writer in writers:
                writer.close()
            if watching.done():
                break
        found = await watching
        assert "rejected in" in found.words


async def test_a_server_that_stops_is_unknown_in_words_and_comes_back_by_itself(door: Door) -> None:
    with running_redis() as server:
        door.secrets[NAME] = server.url
        ctx = looking(door)
        assert SIGNALS is not None
        assert (await looked(ctx, "reachable", "evictions"))["reachable"].value == 1
        server.stop()
        found = await looked(ctx, *OFFERS)
        assert found.pop("reachable").value == 0
        assert {sample.value for sample in found.values()} == {None}
        assert all("could not be reached" in sample.words for sample in found.values())
        back = asyncio.create_task(until_sample(SIGNALS, ctx, "reachable", lambda sample: sample.value == 1))
        server.start()
        assert (await back).words == "it answers"


async def test_a_wrong_password_is_unknown_in_words_without_it(door: Door, redis: RedisServer) -> None:
    door.secrets[NAME] = redis.url.replace(PASSWORD, "Wrong-password-77aa1")
    found = await looked(looking(door), *OFFERS)
    assert {sample.value for sample in found.values()} == {None}
    for sample in found.values():
        assert "refused" in sample.words
        assert "Wrong-password-77aa1" not in sample.words


async def test_a_replica_is_not_a_master_and_needs_its_own(door: Door, redis: RedisServer) -> None:
    login = ("--masterauth", PASSWORD)
    with running_redis("--replicaof", "127.0.0.1", str(redis.port), *login) as replica:
        door.secrets[NAME] = replica.url
        found = (await looked(looking(door), "role"))["role"]
        assert (found.value, found.words) == (0, "it is a replica, and ought to be a master")
        assert SIGNALS is not None
        ctx = looking(door, role="replica")
        assert (await until_sample(SIGNALS, ctx, "role", lambda sample: sample.value == 1)).words == "a replica"
        ours = await plugin_identity(ctx)
        door.secrets["env:MASTER"] = redis.url
        assert await plugin_identity(looking(door, url="env:MASTER")) == ours, "one replication, one identity"
    with running_redis("--replicaof", "127.0.0.1", "1", *login) as lonely:
        door.secrets[NAME] = lonely.url
        found = (await looked(looking(door, role="replica"), "role"))["role"]
        assert (found.value, found.words) == (0, "a replica whose link to its master is down")


async def plugin_identity(ctx: Context) -> str:
    assert plugin.identity is not None
    return await plugin.identity.fingerprint(ctx)


async def test_a_server_that_was_started_anew_is_another_one(door: Door) -> None:
    with running_redis() as server:
        door.secrets[NAME] = server.url
        ctx = looking(door)
        before = await plugin_identity(ctx)
        assert before.startswith("redis-run-")
        server.stop()
        with pytest.raises(WarroomError):
            await plugin_identity(ctx)
        server.start()
        assert await plugin_identity(ctx) not in ("", before)


async def test_readiness_says_what_is_missing_and_how_to_mend_it(door: Door, redis: RedisServer) -> None:
    ctx = looking(door)
    assert plugin.readiness is not None
    (row,) = await plugin.readiness.ready(ctx)
    assert (row.id, row.status, row.fix) == ("redis-address", "not-ready", "export it")
    door.secrets[NAME] = redis.url.replace(PASSWORD, "Wrong-password-77aa1")
    rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
    assert rows["redis-answers"].status == "not-ready"
    assert rows["redis-answers"].fix == "check the password in the address"
    door.secrets[NAME] = redis.url
    rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
    assert {row.status for row in rows.values()} == {"ready"}
    rows = {row.id: row for row in await plugin.readiness.ready(looking(door, role="replica"))}
    assert rows["redis-role"].status == "not-ready"


async def test_evidence_has_no_password_and_no_data(door: Door, redis: RedisServer, tmp_path: Path) -> None:
    door.secrets[NAME] = redis.url
    with redis.client() as client:
        client.set("session:secret-key", "secret-value")
        await plugin.collectors[0].collect(looking(door), FakeFolder(tmp_path))
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    for wanted in ("used_memory", "allkeys-lru", "evicted_keys"):
        assert wanted in text
    for unwanted in (PASSWORD, "secret-key", "secret-value"):
        assert unwanted not in text


# ---- what INFO may say besides ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [None, 7, [], "", "# Server", ":", "used_memory", "used_memory:-1\nmaxmemory:x"])
async def test_an_info_that_says_nothing_is_unknown(reply: Any) -> None:
    door = FakeReadDoor().on_redis(NAME, "INFO", answer=reply, times=None)
    ctx = a_context(Config(), door)
    _, first = await look(ctx, None)
    values, _ = await look(ctx, first)
    assert values.pop("reachable")[0] == 1
    assert {value for value, _, _ in values.values()} == {None}
    assert all(words for _, _, words in values.values())


def test_absurd_numbers_are_no_numbers() -> None:
    assert memory(parsed("used_memory:99999999999999999999999\nmaxmemory:5"))[0] is None
    assert memory(parsed("used_memory:10\nmaxmemory:5"))[0] == 1.0
    assert role(parsed("role:sentinel"), "master")[0] is None


def test_a_counter_that_went_back_is_unknown() -> None:
    def counters(at: float, evicted: int | None, run: str = "a") -> Counters:
        return Counters(at, run, evicted, 0)

    def rate(before: Counters, after: Counters) -> float | None:
        value = per_minute(after.evicted, before.evicted, before, after, "evicted")
        assert value is not None
        return value[0]

    assert rate(counters(0, 10), counters(30, 25)) == 30.0
    assert rate(counters(0, 10), counters(30, 5)) is None
    assert rate(counters(0, 10), counters(30, 25, "b")) is None
    assert rate(counters(0, None), counters(30, 25)) is None
    assert rate(counters(30, 10), counters(30, 25)) is None
    assert per_minute(1, None, None, counters(0, 1), "evicted") is None


@pytest.mark.parametrize("config", [{"url": f"redis://:{PASSWORD}@h"}, {"role": "slave"}, {"host": "h"}, {"every": 0}])
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(config)


async def test_a_signal_that_is_not_there_is_refused(door: Door) -> None:
    with pytest.raises(BadInput, match="no signal cpu"):
        await looked(looking(door), "cpu")
