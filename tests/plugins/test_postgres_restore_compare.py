"""What going back to a backup would lose, counted on real servers, row by row and without reading tables whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.test_postgres_restore import PRISMA, context, execute, previewed, vouched
from tests.plugins.test_postgres_restore import beside as beside
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import BadInput, Context, WarroomError
from warroom_postgres.reach.place import place
from warroom_postgres.restoring.compare import Compare, CompareArgs
from warroom_postgres.restoring.comparing import loss
from warroom_postgres.restoring.restore import Restore, RestoreArgs

MORE = """
CREATE TABLE "Message" (id serial PRIMARY KEY, "createdAt" timestamp(3) NOT NULL, body text);
INSERT INTO "Message" ("createdAt", body) SELECT '2026-11-23 14:02:00'::timestamp - n * interval '1 min', 'hello'
  FROM generate_series(0, 99) n;
CREATE TABLE "no key 100%s {x}" (a int, b text);
INSERT INTO "no key 100%s {x}" VALUES (1, 'a'), (1, 'a'), (2, 'b');
CREATE TABLE parted (a int, b text, PRIMARY KEY (a)) PARTITION BY RANGE (a);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
INSERT INTO parted SELECT n, 'x' FROM generate_series(0, 19) n;
CREATE TABLE gone (a int);
"""
SINCE = """
INSERT INTO "Message" ("createdAt", body) SELECT '2026-11-23 15:00:00', 'new' FROM generate_series(1, 38);
DELETE FROM "Message" WHERE id <= 7;
UPDATE "Message" SET body = 'damaged' WHERE id BETWEEN 11 AND 15;
INSERT INTO "User" SELECT 'new' || n, NULL, 'free' FROM generate_series(1, 4) n;
ALTER TABLE "User" ADD COLUMN "later" text DEFAULT 'x';
INSERT INTO "no key 100%s {x}" VALUES (1, 'a');
UPDATE parted SET b = 'y' WHERE a < 3;
DROP TABLE gone;
CREATE TABLE fresh (a int);
"""


async def restored(door: Door, ctx: Context, kept: Path) -> tuple[str, Any]:
    """The name of the database, and the Calls that take it away."""
    facts, preview = await previewed(ctx, kept)
    results = await execute(door, *preview.calls)
    assert results[-1].status == 0, results[-1].text
    look = await Restore().check(ctx, RestoreArgs(backup=str(kept)), facts)
    assert preview.inverse is not None
    return look.outputs["database"], preview.inverse


async def test_rows_lost_and_won_are_counted_by_their_keys(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    beside.execute(MORE.encode())
    kept = vouched(postgres, database, tmp_path / "a.dump", {**PRISMA, ("public", "Message"): 100})
    ctx = context(door, postgres, tmp_path)
    made, inverse = await restored(door, ctx, kept)
    try:
        same = await loss(ctx, place(ctx), made, timeout=30)
        assert all(table.same for table in same.tables), same
        assert same.words().startswith("you lose no rows")
        beside.execute(SINCE.encode())
        args = CompareArgs(database=made)
        facts = json.loads(json.dumps(await Compare().facts(ctx, args)))
        preview = Compare().preview(ctx.config, args, facts)
        (result,) = await execute(door, *preview.calls)
        assert result.status == 0
        look = await Compare().check(ctx, args, facts)
        assert look.verdict == "done"
        told = {table["name"]: table for table in json.loads(look.outputs["tables"])}
        figures = {name: (one["here"], one["there"], one["changed"]) for name, one in told.items()}
        whole = {name for name, counts in figures.items() if not any(counts)}
        assert whole >= {"Conversation"}
        figures = {name: counts for name, counts in figures.items() if name not in whole}
        assert figures == {
            "Message": (38, 7, 5),
            "User": (4, 0, 0),
            "no key 100%s {x}": (1, 0, 0),
            "parted": (0, 0, 3),
        }
        message = told["Message"]
        assert (message["by"], message["newest_there"]) == ("createdAt", "2026-11-23T14:02:00.000000Z")
        assert (message["newest_here"], message["rows_here"]) == ("2026-11-23T15:00:00.000000Z", 131)
        assert "you lose 38 rows of Message, 4 rows of User and 1 row of no key" in look.seen
        assert "since " in look.seen
        assert "There: looked at " in look.seen
        assert "gone with all their rows: public.fresh; back again: public.gone" in look.seen
        assert look.outputs["lost"] == "43"
    finally:
        assert (await execute(door, *inverse))[-1].status == 0
    with pytest.raises(BadInput, match="bears no mark"):
        await loss(ctx, place(ctx), made, timeout=30)


SMALL = "SELECT count(*) FROM behind WHERE a < 2"


async def test_what_does_not_hold_in_it_is_told(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """A sequence behind its column, and a constraint that was never held against its rows, come with the dump."""
    beside.execute("CREATE TABLE behind (id serial PRIMARY KEY, a int)")
    beside.execute("INSERT INTO behind (id, a) VALUES (1, 1), (5, 2)")
    beside.execute("ALTER TABLE behind ADD CONSTRAINT positive CHECK (a > 1) NOT VALID")
    kept = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
    ctx = context(door, postgres, tmp_path)
    made, inverse = await restored(door, ctx, kept)
    try:
        found = await loss(ctx, place(ctx), made, timeout=30)
        assert found.behind == ("public.behind_id_seq",)
        assert found.unsound == ("positive of behind",)
        held = CompareArgs.model_validate({"database": made, "rules": {"small": {"kind": "sql", "sql": SMALL}}})
        look = await Compare().check(ctx, held, await Compare().facts(ctx, held))
        assert look.verdict == "done", "it may be the best that there is: a person weighs it"
        assert "There does not hold: " in look.seen
        assert "small" in look.seen
        with pytest.raises(WarroomError, match="bears no mark"):
            await Compare().facts(ctx, CompareArgs(database=beside.info.dbname))
    finally:
        assert (await execute(door, *inverse))[-1].status == 0


HIJACKING = """
CREATE FUNCTION format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION array_length(text[], int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hashtextextended(text, int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack(name, name) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR !~ (LEFTARG = name, RIGHTARG = name, FUNCTION = hijack);
CREATE FUNCTION hijack(bigint, int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR & (LEFTARG = bigint, RIGHTARG = int, FUNCTION = hijack);
CREATE FUNCTION hijack(oid, regclass) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = hijack);
CREATE TABLE numbered (id serial PRIMARY KEY, at timestamptz DEFAULT now());
INSERT INTO numbered DEFAULT VALUES;
"""


async def test_functions_that_a_dump_brings_are_not_called_by_who_looks(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """They fit better than the server's own, and whoever looks is a superuser here."""
    beside.execute(HIJACKING.encode())
    with pytest.raises(psycopg.errors.RaiseException, match="hijacked"):
        beside.execute("SELECT hashtextextended('a'::text, 0)")
    kept = vouched(postgres, database, tmp_path / "a.dump", {**PRISMA, ("public", "numbered"): 1})
    for statement in ("FUNCTION format(text, name, name)", "OPERATOR !~ (name, name)", "OPERATOR = (oid, regclass)"):
        beside.execute(f"DROP {statement}".encode())
    ctx = context(door, postgres, tmp_path)
    made, inverse = await restored(door, ctx, kept)
    try:
        found = await loss(ctx, place(ctx), made, timeout=30)
        assert found.lost == 0
        assert found.behind == ()
    finally:
        assert (await execute(door, *inverse))[-1].status == 0


TRAP = """
CREATE FUNCTION inner_one(int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN
  COPY (SELECT 1) TO PROGRAM 'cat > {}'; RETURN 0; END $$;
CREATE FUNCTION trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF current_setting('session_replication_role') = 'origin' THEN RETURN inner_one($1); END IF; RETURN 0; END $$;
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200);
SET session_replication_role = replica;
CREATE INDEX ON "User" ((length("id") + trap(1)));
CREATE INDEX ON parted_2 (a) WHERE a > trap(1);
CREATE TABLE numbered (id serial); CREATE INDEX ON numbered ((id + trap(1)));
"""


async def test_what_a_dump_brought_along_is_not_run_by_a_superuser_who_compares(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Already to plan a query of a table works out what its indexes call, as whoever plans."""
    mark = tmp_path / "ran"
    tmp_path.chmod(0o777)
    beside.execute(MORE.encode())
    beside.execute("CREATE TABLE numbered (id serial)")
    kept = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
    ctx = context(door, postgres, tmp_path)
    made, inverse = await restored(door, ctx, kept)
    try:
        with psycopg.connect(postgres.url(made), autocommit=True) as there:
            there.execute(TRAP.format(mark).replace("CREATE TABLE numbered (id serial);", "").encode())
        found = await loss(ctx, place(ctx), made, timeout=30)
        assert [name.partition(" ")[0] for name in found.unseen] == ["public.User", "public.numbered", "public.parted"]
        assert "not compared: public.User (reading it would run functions of its own" in found.words()
        assert not mark.exists()
        with psycopg.connect(postgres.url(made)) as there:
            there.execute('SELECT count(*) FROM "User"')
        assert mark.exists(), "it would have run"
    finally:
        await execute(door, *inverse)
