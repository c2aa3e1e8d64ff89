"""The operation ``restore`` on real servers: what is missing is told before, and what was made is as the live one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.postgres_dumps import dump
from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.actions.changing import Changing
from warroom.actions.doors import HttpClient
from warroom.api import Context, Facts
from warroom.model.call import Call, CallResult, ProcessCall, SqlCall
from warroom.model.plan import Preview
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.config import Config
from warroom_postgres.naming import marked
from warroom_postgres.restoring.restore import Restore, RestoreArgs

NAME = "env:DATABASE_URL"
ODD = r"""
CREATE SCHEMA "Ünder; \! schema";
CREATE TABLE "Ünder; \! schema"."Tab""le ' $warroom$ 表" ("Id" serial PRIMARY KEY, "größe" text);
INSERT INTO "Ünder; \! schema"."Tab""le ' $warroom$ 表" ("größe") VALUES ('a'), ('b');
CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED,
  at timestamptz DEFAULT now());
INSERT INTO made (a) SELECT n FROM generate_series(1, 10) n;
CREATE TABLE parted (a int, b text) PARTITION BY RANGE (a);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
CREATE INDEX ON parted (a);
INSERT INTO parted SELECT n, 'x' FROM generate_series(0, 19) n;
ALTER TABLE made ENABLE ROW LEVEL SECURITY;
ALTER TABLE made FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON made USING (a = 1);
SELECT lo_from_bytea(0, 'large');
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE VIEW seen AS SELECT a FROM made;
CREATE FUNCTION moody(a mood, b int[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a * 2';
COMMENT ON EXTENSION plpgsql IS 'its own';
DO $$ BEGIN FOR n IN 1 .. 150 LOOP EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY)', n); END LOOP; END $$;
"""
AROUND = """
SELECT r.rolname, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(d.datacl) a),
  d.datconnlimit, pg_encoding_to_char(encoding), datcollate,
  (SELECT array_agg(s.setrole || array_to_string(s.setconfig, ',') ORDER BY s.setrole)
    FROM pg_db_role_setting s WHERE setdatabase = d.oid)
FROM pg_database d JOIN pg_roles r ON r.oid = datdba WHERE datname = %s
"""
INSIDE = """
SELECT c.relkind::text, c.relname, r.rolname, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a),
  relrowsecurity FROM pg_class c JOIN pg_roles r ON r.oid = relowner
JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'p', proname, r.rolname, NULL, false FROM pg_proc JOIN pg_roles r ON r.oid = proowner
  WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'd', defaclobjtype::text, r.rolname, (SELECT array_agg(a::text ORDER BY a::text)
  FROM unnest(defaclacl) a), false FROM pg_default_acl JOIN pg_roles r ON r.oid = defaclrole ORDER BY 1, 2
"""


async def execute(door: Door, *calls: Call) -> list[CallResult]:
    """One after the other, until one fails."""
    changing = Changing(
        calls,
        http=HttpClient(),
        log=door.log,
        clock=door.clock,
        cleaner=door.redactor,
        secret=door.secret,
        stores=door.stores,
    )
    results: list[CallResult] = []
    for call in calls:
        results.append(await changing.execute(call))
        if results[-1].status != 0:
            break
    return results


def vouched(server: PostgresServer, url: str, to: Path, rows: dict[tuple[str, str], int], *words: str) -> Path:
    """A backup with the manifest that whoever made it would have written."""
    kept = dump(server, url, to, *(words or ("-Fc",)))
    with psycopg.connect(url) as connection:
        about = "SELECT current_setting('server_version'), system_identifier::text, current_database()::text, now()"
        found = connection.execute(f"{about} FROM pg_control_system()").fetchone()
        large = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert found is not None
    assert large is not None
    version, system, database, at = found
    files = manifests.hash_folder(kept) if kept.is_dir() else ()
    digest, size = (manifests.of_files(files), sum(f.bytes for f in files)) if files else manifests.hash_file(kept)
    form = "directory" if files else "plain" if to.suffix == ".sql" else "custom"
    told = {
        "file": kept.name,
        "format": form,
        "compression": "none" if form == "plain" else "gzip",
        "sha256": digest,
        "bytes": size,
        "files": files,
        "pg_dump_version": version,
        "server_version": version,
        "system_identifier": system,
        "database": database,
        "snapshot_at": at,
        "finished_at": at,
        "rows": [{"schema": schema, "name": name, "rows": number} for (schema, name), number in rows.items()],
        "large_objects": large[0],
    }
    manifests.write(manifests.Manifest.model_validate(told), kept)
    return kept


PRISMA = {("public", "User"): 20, ("public", "Conversation"): 20, ("public", "Payment"): 1}


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[psycopg.Connection[Any]]:
    door.secrets[NAME] = f"{database}?schema=public"
    with filled(database) as connection:
        yield connection


def context(door: Door, server: PostgresServer, folder: Path, **more: Any) -> Context:
    return door.context("database", Config, tools=str(server.programs), backups={"folders": [str(folder)]}, **more)


async def previewed(ctx: Context, kept: Path) -> tuple[Facts, Preview]:
    args = RestoreArgs(backup=str(kept))
    facts = json.loads(json.dumps(await Restore().facts(ctx, args)))
    return facts, Restore().preview(ctx.config, args, facts)


@contextmanager
def a_role(connection: psycopg.Connection[Any], name: str, words: str = "") -> Iterator[None]:
    connection.execute(f"""CREATE ROLE "{name}" LOGIN PASSWORD 'Password-of-plain-8' {words}""".encode())
    try:
        yield
    finally:
        connection.execute(f'REASSIGN OWNED BY "{name}" TO owner'.encode())
        connection.execute(f'DROP OWNED BY "{name}" CASCADE'.encode())
        connection.execute(f'DROP ROLE "{name}"'.encode())


def rows_of(url: str, query: str, *parameters: object) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()


def names(connection: psycopg.Connection[Any]) -> set[str]:
    found = connection.execute("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
    return {str(row[0]) for row in found}


async def test_it_is_as_the_live_one_around_its_rows_too(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Owners, rights, default rights, settings; names of every kind, partitions, large objects, 150 tables."""
    live = beside.info.dbname
    with a_role(beside, "Some one"):
        beside.execute(ODD.encode())
        for statement in (
            'ALTER TABLE made OWNER TO "Some one"; ALTER FUNCTION twice(int) OWNER TO "Some one";'
            'ALTER FUNCTION moody OWNER TO "Some one"; ALTER TYPE mood OWNER TO "Some one"',
            'GRANT SELECT (id), UPDATE ON "User" TO "Some one"; REVOKE ALL ON FUNCTION twice FROM PUBLIC',
            'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "Some one"',
            f'ALTER DATABASE "{live}" SET search_path TO "$user", public, "Ünder; \\! schema"',
            f'ALTER DATABASE "{live}" SET work_mem TO \'5MB\'; ALTER DATABASE "{live}" CONNECTION LIMIT 17',
            f'ALTER ROLE "Some one" IN DATABASE "{live}" SET statement_timeout TO 1234',
            f"ALTER DATABASE \"{live}\" SET app.jwt_secret TO 'Canary-of-a-setting-77aa'",
            f'REVOKE TEMPORARY ON DATABASE "{live}" FROM PUBLIC; GRANT CREATE ON DATABASE "{live}" TO "Some one"',
        ):
            beside.execute(statement.encode())
        before = names(beside)
        rows = {**PRISMA, ("public", "made"): 10, ("Ünder; \\! schema", "Tab\"le ' $warroom$ 表"): 2}
        rows |= {("public", "parted_1"): 10, ("public", "parted_2"): 10}
        kept = vouched(postgres, database, tmp_path / "a.dump", rows)
        ctx = context(door, postgres, tmp_path)
        facts, preview = await previewed(ctx, kept)
        args = RestoreArgs(backup=str(kept))
        assert "Canary-of-a-setting" not in json.dumps(facts) + preview.model_dump_json()
        assert (await Restore().check(ctx, args, facts)).verdict == "not-begun"
        assert preview.inverse is not None
        try:
            results = await execute(door, *preview.calls)
            assert [result.status for result in results] == [0] * len(preview.calls), results[-1].text
            look = await Restore().check(ctx, args, facts)
            assert look.verdict == "done", look
            made = look.outputs["database"]
            assert names(beside) - before == {made}, "its role is gone"
            assert preview.keeps == (made,)
            there = postgres.url(made)
            assert rows_of(there, AROUND, made) == rows_of(database, AROUND, live)
            assert rows_of(there, INSIDE) == rows_of(database, INSIDE)
            assert rows_of(there, "SELECT sum(b), count(*) FROM made") == [(110, 10)]
            assert rows_of(there, "SELECT count(*) FROM pg_largeobject_metadata") == [(1,)]
            assert rows_of(there, "SELECT count(*) FROM parted") == [(20,)]
            (comment,) = rows_of(
                there, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname=%s", made
            )[0]
            mark = marked(comment)
            assert mark is not None
            assert (mark.state, mark.archive) == ("restored", preview.pinned["backup"])
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
        assert names(beside) == before
        assert (await Restore().check(ctx, args, facts)).verdict == "not-begun"
    assert PASSWORD not in str(door.shown)


async def test_rows_that_are_not_those_that_were_counted_stop_it(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """The table's own statements don't bring them all back: its rule throws some away."""
    kept = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
    ctx = context(door, postgres, tmp_path)
    facts, preview = await previewed(ctx, kept)
    assert preview.inverse is not None
    fewer: list[Call] = []
    for call in preview.calls:
        fewer.append(call)
        if isinstance(call, ProcessCall):
            delete = SqlCall.model_validate(
                {**_within(preview), "statements": ["""DELETE FROM "User" WHERE "id" = 'u3'"""]}
            )
            fewer.append(delete)
    try:
        results = await execute(door, *fewer)
        assert results[-1].status != 0
        assert '"public"."User" has 19 rows, 20 were counted' in results[-1].text
        look = await Restore().check(ctx, RestoreArgs(backup=str(kept)), facts)
        assert look.verdict == "partly"
        assert "take it back, which drops it" in look.seen
    finally:
        assert (await execute(door, *preview.inverse))[-1].status == 0


def _within(preview: Preview) -> dict[str, Any]:
    call = next(call for call in preview.calls if isinstance(call, SqlCall) and call.database)
    return {"secret": call.secret, "database": call.database}
