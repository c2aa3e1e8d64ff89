"""The plugins for databases and caches keep the contract, tried on real servers."""

from __future__ import annotations

from pathlib import Path

from tests.plugins.prisma_database import INTEGRITY, filled
from tests.servers import RedisServer
from tests.stores import Door
from warroom.testing.conformance import check_plugin
from warroom_postgres import plugin as postgres_plugin
from warroom_postgres.config import Config as PostgresConfig
from warroom_redis import plugin as redis_plugin
from warroom_redis.config import Config as RedisConfig


async def test_the_postgres_plugin_conforms(door: Door, database: str, tmp_path: Path) -> None:
    door.secrets["env:DATABASE_URL"] = database
    config = {"every": "0.3s", "schema_every": "0.3s", "pool": {"size": 5}, "integrity": INTEGRITY}
    with filled(database):
        ctx = door.context("database", PostgresConfig, **config)
        await check_plugin(postgres_plugin, ctx, folder=tmp_path, items=40)


async def test_the_redis_plugin_conforms(door: Door, redis: RedisServer, tmp_path: Path) -> None:
    door.secrets["env:REDIS_URL"] = redis.url
    ctx = door.context("cache", RedisConfig, every="0.3s")
    await check_plugin(redis_plugin, ctx, folder=tmp_path)
