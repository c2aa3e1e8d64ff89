"""The plugins for databases and caches keep the contract, tried on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from pydantic import JsonValue

from tests.plugins.prisma_database import INTEGRITY, filled
from tests.plugins.test_postgres_restore import PRISMA, vouched
from tests.servers import PostgresServer, RedisServer
from tests.stores import Door
from warroom.testing.clock import START
from warroom.testing.conformance import Case, check_plugin
from warroom_postgres import plugin as postgres_plugin
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.config import Config as PostgresConfig
from warroom_postgres.naming import Mark, literal, name_for, quoted
from warroom_redis import plugin as redis_plugin
from warroom_redis.config import Config as RedisConfig


async def test_the_postgres_plugin_conforms(
    door: Door, database: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    door.secrets["env:DATABASE_URL"] = database
    config = {"every": "0.3s", "schema_every": "0.3s", "pool": {"size": 5}, "integrity": INTEGRITY}
    with filled(database) as connection:
        kept = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
        with restored_beside(connection, manifests.hash_file(kept)[0]) as other:
            config |= {"backups": {"folders": [str(tmp_path)]}, "tools": str(postgres.programs)}
            cases = [Case(name, {"database": other}) for name in ("compare", "swap", "discard")]
            cases += [Case(name, {"backup": str(kept)}) for name in ("restore", "compare")]
            cases.append(Case("assess", {}))
            ctx = door.context("database", PostgresConfig, **config)
            probes: dict[str, list[dict[str, JsonValue]]] = {"integrity": [{}], "counts": [{}, {"database": other}]}
            await check_plugin(postgres_plugin, ctx, cases=cases, probes=probes, folder=tmp_path, items=40)


@contextmanager
def restored_beside(connection: psycopg.Connection[Any], archive: str) -> Iterator[str]:
    """The name of an empty database that says of itself that it was restored from that dump."""
    mark = {"is": "scratch", "of": connection.info.dbname, "state": "restored", "id": "ab12cd34", "archive": archive}
    made = Mark.model_validate({**mark, "at": START})
    name = name_for(made.of, "scratch", made.at, made.id)
    connection.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0".encode())
    connection.execute(f"COMMENT ON DATABASE {quoted(name)} IS {literal(made.comment())}".encode())
    try:
        yield name
    finally:
        connection.execute(f"DROP DATABASE {quoted(name)} WITH (FORCE)".encode())


async def test_the_redis_plugin_conforms(door: Door, redis: RedisServer, tmp_path: Path) -> None:
    door.secrets["env:REDIS_URL"] = redis.url
    ctx = door.context("cache", RedisConfig, every="0.3s")
    await check_plugin(redis_plugin, ctx, folder=tmp_path)
