"""The evidence dump on real servers, with the programs of their own version, into a real evidence bundle."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.plugins.postgres_swaps import execute
from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer, running_pgbouncer
from tests.stores import Door
from warroom.actions import evidence
from warroom.actions.evidence import Bundle
from warroom.api import Context, ProgramFailed, ProgramMissing, StoreRefused
from warroom_postgres.backups.manifest import Manifest
from warroom_postgres.config import Config
from warroom_postgres.dumping import running
from warroom_postgres.dumping.collector import DumpCollector
from warroom_postgres.dumping.contents import Contents, Table
from warroom_postgres.dumping.proof import DumpProver

NAME = "env:DATABASE_URL"
ODD = """
CREATE SCHEMA "Ünïcode.s";
CREATE TABLE "Ünïcode.s"."lo_items" (x int);
INSERT INTO "Ünïcode.s"."lo_items" SELECT generate_series(1, 7);
CREATE TABLE parted (at date, x int GENERATED ALWAYS AS (1) STORED) PARTITION BY RANGE (at);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
INSERT INTO parted SELECT '2026-06-29'::date + n FROM generate_series(0, 4) n;
CREATE UNLOGGED TABLE noted (x int);
INSERT INTO noted VALUES (1);
SELECT lo_from_bytea(0, 'large');
"""
COUNTS = {"Ünïcode.s.lo_items": 7, "public.parted_a": 2, "public.parted_b": 3, "public.noted": 1}
COUNTS |= {"public.User": 20, "public.Conversation": 20, "public.Payment": 1, "public._prisma_migrations": 1}


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[psycopg.Connection[Any]]:
    door.secrets[NAME] = f"{database}?schema=public&connection_limit=1"
    with filled(database) as connection:
        yield connection


@pytest.fixture
def ctx(door: Door, postgres: PostgresServer) -> Context:
    return door.context("database", Config, tools=str(postgres.programs))


def a_bundle(door: Door, tmp_path: Path) -> Bundle:
    return Bundle(tmp_path / "evidence", "evidence-1", "i1", door.clock, door.redactor)


async def captured(ctx: Context, door: Door, tmp_path: Path) -> tuple[Path, list[str]]:
    """The bundle's folder, sealed, and what was said on the way."""
    bundle = a_bundle(door, tmp_path)
    said: list[str] = []
    folder = bundle.for_collector("database.dump", say=said.append)
    try:
        await DumpCollector().collect(ctx, folder)
    finally:
        folder.close()
        bundle.seal({}, {})
    assert evidence.verify(bundle.path) == []
    return bundle.path, said


def manifest_of(path: Path) -> Manifest:
    return Manifest.model_validate_json((path / "database.dump" / "database.dump.manifest.json").read_bytes())


def restored(server: PostgresServer, dump: Path) -> dict[str, int]:
    """Rows by table, counted in a database that the dump was restored to."""
    found: dict[str, int] = {}
    with server.database() as url:
        argv = [str(server.programs / "pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={url}", str(dump)]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)
        with psycopg.connect(url) as connection:
            for name in COUNTS:
                schema, _, table = name.rpartition(".")
                count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
                (found[name],) = connection.execute(count).fetchone() or (0,)
    return found


async def test_a_dump_restores_to_what_its_manifest_says(
    ctx: Context, door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, tmp_path: Path
) -> None:
    beside.execute(ODD)
    path, said = await captured(ctx, door, tmp_path)
    dump, told = path / "database.dump" / "database.dump", manifest_of(path)
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert {f"{row.schema_name}.{row.name}": row.rows for row in told.rows or ()} == COUNTS
    sealed = json.loads((path / "manifest.json").read_bytes())
    assert sealed["counts"] == COUNTS
    assert {file["sha256"] for file in sealed["files"] if file["kind"] == "dump"} == {
        told.sha256.removeprefix("sha256:")
    }
    assert (told.label, told.incident, told.format, told.large_objects, told.migration) == (
        "forensic",
        "i1",
        "custom",
        1,
        "20260101000000_init",
    )
    assert told.fingerprint.endswith(f"/{beside.info.dbname}")
    assert told.server_version == beside.info.parameter_status("server_version")
    assert any(words.startswith("dumping public.User, ") for words in said)
    assert said[-1] == "hashing the dump"
    assert restored(postgres, dump) == COUNTS
    everything = str(door.shown) + "".join(f.read_text() for f in path.rglob("*.json"))
    assert PASSWORD not in everything


async def test_rows_are_counted_in_the_moment_of_the_dump(
    ctx: Context,
    door: Door,
    beside: psycopg.Connection[Any],
    postgres: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows come and go between the snapshot, the dump and the count."""
    beside.execute(ODD)
    original = running.dumped

    async def disturbed(*args: Any, **more: Any) -> None:
        beside.execute('DELETE FROM "Conversation"')
        await original(*args, **more)
        beside.execute('DELETE FROM "User"')

    monkeypatch.setattr("warroom_postgres.dumping.collector.dumped", disturbed)
    path, _ = await captured(ctx, door, tmp_path)
    rows = {f"{row.schema_name}.{row.name}": row.rows for row in manifest_of(path).rows or ()}
    assert rows == COUNTS == restored(postgres, path / "database.dump" / "database.dump")


async def test_several_connections_write_a_folder(
    ctx: Context,
    door: Door,
    beside: psycopg.Connection[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside.execute(ODD)
    monkeypatch.setattr("warroom_postgres.dumping.collector.how", lambda *_: ("directory", 2))
    path, _ = await captured(ctx, door, tmp_path)
    dump, told = path / "database.dump" / "database.dump", manifest_of(path)
    assert (told.format, {each.name for each in told.files}) == ("directory", set(os.listdir(dump)))
    assert any("--format=directory --jobs=2" in line for line in door.shown)
    trial = await DumpProver().prepare(ctx, dump.parent)
    assert trial is not None
    try:
        results = await execute(door, *trial.calls)
        assert [result.status for result in results] == [0, 0], results[-1].text
        found = await DumpProver().judge(ctx, dump.parent, trial)
        assert (found.verdict, found.numbers) == ("pass", {"tables": len(COUNTS), "rows": sum(COUNTS.values())})
    finally:
        assert [result.status for result in await execute(door, *trial.after)] == [0]


async def test_what_went_wrong_leaves_no_dump(
    ctx: Context, door: Door, beside: psycopg.Connection[Any], tmp_path: Path, postgres: PostgresServer
) -> None:
    for statement in ("CREATE TABLE locked (x int)", "BEGIN", "LOCK TABLE locked IN ACCESS EXCLUSIVE MODE"):
        beside.execute(statement.encode())
    config = ctx.config.model_copy(update={"dump": ctx.config.dump.model_copy(update={"lock_wait": 0.2})})
    with pytest.raises(ProgramFailed, match="somebody holds a table locked"):
        await captured(replace(ctx, config=config), door, tmp_path)
    beside.execute("ROLLBACK")
    assert [each.name for each in (tmp_path / "evidence").rglob("*") if each.is_file()] == ["manifest.json"]
    config = ctx.config.model_copy(update={"tools": str(tmp_path)})
    with pytest.raises(ProgramMissing, match=f"no pg_dump for PostgreSQL {beside.info.server_version // 10000}"):
        await captured(replace(ctx, config=config), door, tmp_path / "two")


WRAPPER = """#!/bin/sh
if [ "$1" = --version ]; then exec {real} --version; fi
for word; do case $word in --file=*) file=${{word#--file=}};; esac; done
{real} "$@" || exit
truncate -s -2000 "$file"
{then}
"""


@pytest.mark.needs("userns")
@pytest.mark.parametrize(
    ("then", "title"),
    [
        pytest.param("exit 0", "The dump can't be read back", id="cut-short"),
        pytest.param("kill -9 $$", "pg_dump failed", id="killed"),
    ],
)
async def test_half_a_dump_is_none(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path, then: str, title: str
) -> None:
    """Whether or not pg_dump says that all went well."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("pg_restore", "psql"):
        (tools / name).symlink_to(newest_postgres.programs / name)
    (tools / "pg_dump").write_text(WRAPPER.format(real=newest_postgres.programs / "pg_dump", then=then))
    (tools / "pg_dump").chmod(0o755)
    with newest_postgres.database() as url, filled(url):
        door.secrets[NAME] = url
        with pytest.raises(ProgramFailed, match=title):
            await captured(door.context("database", Config, tools=str(tools)), door, tmp_path)
    assert [each.name for each in (tmp_path / "evidence").rglob("*") if each.is_file()] == ["manifest.json"]


@pytest.mark.needs("userns", "pgbouncer")
async def test_a_pooler_is_gone_round(door: Door, newest_postgres: PostgresServer, tmp_path: Path) -> None:
    with newest_postgres.database() as url, filled(url), running_pgbouncer(newest_postgres) as port:
        door.secrets[NAME] = url.replace(f":{newest_postgres.port}/", f":{port}/")
        tools = str(newest_postgres.programs)
        with pytest.raises(StoreRefused, match=f"127.0.0.1:{newest_postgres.port}"):
            await captured(door.context("database", Config, tools=tools), door, tmp_path)
        door.secrets["env:DIRECT_URL"] = url
        ctx = door.context("database", Config, tools=tools, direct="env:DIRECT_URL")
        path, _ = await captured(ctx, door, tmp_path / "two")
        assert manifest_of(path).counts is not None


@pytest.mark.parametrize(
    ("sizes", "processors", "expected"),
    [
        pytest.param([3, 3, 3], 8, ("directory", 3), id="large"),
        pytest.param([3, 3, 3], 2, ("directory", 2), id="two-processors"),
        pytest.param([3, 3, 3], 1, ("custom", 1), id="one-processor"),
        pytest.param([9, 1], 8, ("directory", 2), id="one-large-table"),
        pytest.param([30, 1], 8, ("custom", 1), id="one-table"),
        pytest.param([0.1, 0.1], 8, ("custom", 1), id="small"),
        pytest.param([], 8, ("custom", 1), id="empty"),
    ],
)
def test_several_connections_where_that_pays(sizes: list[float], processors: int, expected: tuple[str, int]) -> None:
    tables = tuple(Table("public", str(n), int(size * 1024**3)) for n, size in enumerate(sizes))
    assert running.how(Contents(tables, 0, 0), 4, processors) == expected
