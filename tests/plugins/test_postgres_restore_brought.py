"""What a dump brings besides rows, on real servers: traps, what is a superuser's, and what compares oddly."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.postgres_dumps import dump
from tests.plugins.postgres_swaps import planned, two
from tests.plugins.test_postgres_restore import NAME, a_role, context, execute, names, previewed, rows_of, vouched
from tests.plugins.test_postgres_restore import beside as beside
from tests.plugins.test_postgres_restore_compare import restored
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import StoreRefused
from warroom_postgres import statements
from warroom_postgres.integrity import catalogue
from warroom_postgres.integrity.checks import STRANGE
from warroom_postgres.integrity.counts import CountsArgs, CountsProbe
from warroom_postgres.integrity.probe import IntegrityArgs, IntegrityProbe
from warroom_postgres.reach.place import itself, place
from warroom_postgres.restoring.comparing import loss

TRAPS = """
CREATE FUNCTION public.seize() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN EXECUTE 'CREATE ROLE "{role}" SUPERUSER'; END IF;
  RETURN 1; END $$;
CREATE FUNCTION public.quiet(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.seize(); END $$;
CREATE INDEX ON public.planned ((id + public.quiet(1)));
DROP TABLE public.seen;
CREATE VIEW public.seen AS SELECT 1 AS id WHERE public.seize() = 1;
"""


async def test_nothing_of_a_dump_runs_as_a_superuser_while_its_rows_are_counted(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Not by a table that is a view by then, and not by an index, which is called to plan a count.

    Nor is it in the way that whoever answers has stopped all writes to the live one.
    """
    live = beside.info.dbname
    beside.execute("CREATE TABLE planned (id serial PRIMARY KEY); CREATE TABLE seen (id int)")
    beside.execute("INSERT INTO planned VALUES (1); INSERT INTO seen VALUES (1)")
    kept = dump(postgres, database, tmp_path / "ai_saas_20251009.sql", "-Fp")
    text, role = kept.read_text(), f"seized {live}"
    end = "--\n-- PostgreSQL database dump complete"
    assert text.count(end) == 1
    kept.write_text(text.replace(end, TRAPS.replace("{role}", role) + end))
    beside.execute(f'ALTER DATABASE "{live}" SET default_transaction_read_only = on'.encode())
    ctx = context(door, postgres, tmp_path)
    made, inverse = await restored(door, ctx, kept)
    try:
        assert role not in names(beside)
        rules = {"own": {"kind": "sql", "sql": "SELECT count(*) FROM planned WHERE id < 0"}}
        found = await IntegrityProbe().probe(ctx, IntegrityArgs.model_validate({"database": made, "rules": rules}))
        assert found.verdict == "inconclusive"
        assert f"planned_id_seq of planned.id: {STRANGE}; own: which tables it reads is not known" in found.words
        compared = await loss(ctx, place(ctx), made, timeout=30)
        assert compared.words().startswith("you lose no rows of what was compared; ")
        counted = await CountsProbe().probe(ctx, CountsArgs(database=made))
        assert f"planned could not be counted: {STRANGE}" in counted.words
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            rows_of(postgres.url(made), "SELECT id FROM seen")
        assert role not in names(beside)
    finally:
        assert (await execute(door, *inverse))[-1].status == 0
    assert made not in names(beside)


FOREIGN = """
CREATE EXTENSION pg_stat_statements; CREATE EXTENSION postgres_fdw;
CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost');
CREATE USER MAPPING FOR owner SERVER other OPTIONS (user 'x', password 'Canary-of-a-mapping-5e1');
CREATE FOREIGN TABLE elsewhere (a int) SERVER other;
CREATE TABLE held (id int); INSERT INTO held VALUES (1);
SET allow_in_place_tablespaces = on;
"""
PLACED = """
SELECT extname::text, extnamespace::regnamespace::text FROM pg_extension
UNION ALL SELECT srvname, pg_get_userbyid(srvowner) || coalesce(srvacl::text, '') FROM pg_foreign_server
UNION ALL SELECT fdwname, pg_get_userbyid(fdwowner) || coalesce(fdwacl::text, '') FROM pg_foreign_data_wrapper
UNION ALL SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relkind = 'f' ORDER BY 1, 2
"""


@pytest.mark.needs("userns", "postgres")
async def test_extensions_lie_where_they_lay_and_servers_elsewhere_come_back(
    door: Door, system_postgres: PostgresServer, tmp_path: Path
) -> None:
    with system_postgres.database() as url:
        door.secrets[NAME] = url
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(FOREIGN.encode())
            apart = f"apart {owner.info.dbname}"
            owner.execute(f"CREATE TABLESPACE \"{apart}\" LOCATION ''".encode())
            owner.execute(f'ALTER TABLE held SET TABLESPACE "{apart}"'.encode())
            was = rows_of(url, PLACED)
            kept = vouched(system_postgres, url, tmp_path / "a.dump", {("public", "held"): 1})
            ctx = context(door, system_postgres, tmp_path)
            _, preview = await previewed(ctx, kept)
            words = "1 table or index of the live one in tablespaces of their own: here all lies in pg_default"
            assert words in preview.notes
            assert preview.notes[0].endswith("is not touched, but its server bears the load and the room")
            made, inverse = await restored(door, ctx, kept)
            try:
                there = rows_of(system_postgres.url(made), PLACED)
                assert [(name, words.removesuffix("{owner=U/owner}")) for name, words in there] == was
            finally:
                assert (await execute(door, *inverse))[-1].status == 0
            owner.execute("DROP TABLE held")
            owner.execute(f'DROP TABLESPACE "{apart}"'.encode())
        await door.stores.close()


@pytest.mark.needs("userns")
async def test_who_is_no_superuser_is_told_what_a_dump_may_do_and_what_right_is_missing(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    with newest_postgres.database() as url, psycopg.connect(url, autocommit=True) as owner:
        live = owner.info.dbname
        with a_role(owner, f"admin {live}", "CREATEDB"):
            owner.execute(f'ALTER DATABASE "{live}" OWNER TO "admin {live}"'.encode())
            owner.execute("CREATE TABLE held (id int); INSERT INTO held VALUES (1)")
            owner.execute(f'ALTER TABLE held OWNER TO "admin {live}"'.encode())
            kept = dump(newest_postgres, url, tmp_path / "ai_saas_20251009.sql", "-Fp")
            door.secrets[NAME] = newest_postgres.url(live, f"admin%20{live}", "Password-of-plain-8")
            ctx = context(door, newest_postgres, tmp_path)
            _, preview = await previewed(ctx, kept)
            words = f"what it brings along runs as admin {live}, who may change the live database too"
            assert words in preview.notes
            owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
            with pytest.raises(StoreRefused) as refused:
                await itself(ctx, place(ctx))
            right = f'GRANT EXECUTE ON FUNCTION pg_control_system() TO "admin {live}"'
            assert refused.value.hint.startswith(right)
            owner.execute(right.encode())
            assert (await itself(ctx, place(ctx))).rows
            await door.stores.close()


@pytest.mark.needs("userns")
async def test_rows_that_people_put_into_an_extensions_tables_come_back(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    """A dump has them, as PostGIS has its systems of reference, and their table is a superuser's."""
    server = newest_postgres
    folder = server.folder / "extension"  # where the server's own user can read it
    folder.mkdir(exist_ok=True)
    (folder / "places.control").write_text("default_version = '1'\nrelocatable = false\n")
    (folder / "places--1.sql").write_text(
        "CREATE TABLE places (id int, t text); INSERT INTO places VALUES (1, 'its own');"
        "SELECT pg_catalog.pg_extension_config_dump('places', 'WHERE id > 9');"
    )
    with server.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(f"ALTER ROLE owner SET extension_control_path = '{server.folder}:$system'".encode())
        try:
            with psycopg.connect(url, autocommit=True) as filling:
                filling.execute("CREATE EXTENSION places; INSERT INTO places VALUES (10, 'of people')")
                filling.execute("CREATE TABLE held (id int); INSERT INTO held VALUES (1)")
            kept = vouched(server, url, tmp_path / "a.dump", {("public", "held"): 1})
            made, inverse = await restored(door, context(door, server, tmp_path), kept)
            there = server.url(made)
            assert rows_of(there, "SELECT id, t FROM places ORDER BY 1") == [(1, "its own"), (10, "of people")]
            ((rights,),) = rows_of(there, "SELECT relacl::text FROM pg_class WHERE relname = 'places'")
            assert "warroom" not in (rights or "")
            assert (await execute(door, *inverse))[-1].status == 0
        finally:
            await door.stores.close()
            owner.execute("ALTER ROLE owner RESET extension_control_path")


DIFFERENT = """
CREATE SEQUENCE bills;
CREATE TABLE bill (code text PRIMARY KEY DEFAULT 'B-' || nextval('bills'), "createdAt" timestamp);
ALTER SEQUENCE bills OWNED BY bill.code;
INSERT INTO bill ("createdAt") VALUES ('2026-01-01'), ('20261-01-01');
CREATE TABLE early (id serial PRIMARY KEY); INSERT INTO early DEFAULT VALUES;
ALTER SEQUENCE early_id_seq RESTART WITH 1000;
CREATE TABLE late (id serial PRIMARY KEY); INSERT INTO late VALUES (7);
CREATE DOMAIN number AS bigint; CREATE DOMAIN deep AS number;
CREATE TABLE nested (id deep PRIMARY KEY); CREATE SEQUENCE depths OWNED BY nested.id; INSERT INTO nested VALUES (9);
"""


@pytest.mark.needs("userns")
async def test_odd_sequences_and_times_do_not_keep_two_from_being_compared(
    door: Door, newest_postgres: PostgresServer
) -> None:
    """A sequence of a text column, one that begins anew and is not behind, a year that no clock has; and a constraint
    that is declared not to be enforced."""
    with two(newest_postgres) as made:
        door.secrets[NAME] = made.url()
        for name in (made.live, made.other):
            with psycopg.connect(made.url(name), autocommit=True) as connection:
                connection.execute(DIFFERENT.encode())
                connection.execute("ALTER TABLE late ADD CHECK (id < 5) NOT ENFORCED")
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute("INSERT INTO bill DEFAULT VALUES")
        ctx = context(door, newest_postgres, Path("/nowhere"))
        found = await loss(ctx, place(ctx), made.other, timeout=30)
        assert found.behind == ("public.depths", "public.late_id_seq")
        looked_at = {row[0] for row in rows_of(made.url(), catalogue.SEQUENCES)}
        assert looked_at == {"depths", "early_id_seq", "late_id_seq"}
        assert found.unsound == ()
        assert found.words().startswith("you lose 1 row of bill;"), "newer than its dump: since when is not told"
        kept = dataclasses.replace(found, mark=found.mark.model_copy(update={"what": "before"}))
        assert kept.words().startswith("you lose 1 row of bill since 20261-01-01T00:00")
        _, preview = await planned(door)
        assert "1 row of bill" in preview.loses[0]
        await door.stores.close()


async def test_an_index_that_another_role_is_building_is_not_taken_for_an_unfinished_one(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str
) -> None:
    """Who sees only its own sessions is not told which index it is."""
    live = beside.info.dbname
    with a_role(beside, f"looker {live}"), psycopg.connect(database) as holder:
        holder.execute("""INSERT INTO "User" VALUES ('held')""")
        words = 'CREATE UNIQUE INDEX CONCURRENTLY built ON "User" (id)'
        building = threading.Thread(target=_done, args=(database, words))
        building.start()
        try:
            while not rows_of(database, "SELECT FROM pg_index WHERE NOT indisvalid"):
                assert building.is_alive()
            looker = postgres.url(live, f"looker%20{live}", "Password-of-plain-8")
            for query in (statements.INDEXES, catalogue.UNIQUE_INDEXES):
                assert rows_of(looker, query) == []
        finally:
            holder.rollback()
            building.join(60)
        beside.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'built'::regclass")
        for query in (statements.INDEXES, catalogue.UNIQUE_INDEXES):
            assert len(rows_of(looker, query)) == 1


def _done(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
