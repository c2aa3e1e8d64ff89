"""What a hostile, damaged or foreign dump can't do where it is restored beside, by a real server's word."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.postgres_dumps import dump
from tests.plugins.test_postgres_restore import NAME, a_role, context, execute, names, previewed, rows_of
from tests.plugins.test_postgres_restore_plain import UNCOUNTED, brought_back, nightly
from tests.plugins.test_postgres_restore_refused import PLAIN, refused
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.model.call import ProcessCall
from warroom_postgres.reach.tools import Tools
from warroom_postgres.restoring.restore import Restore, RestoreArgs

HELD = "CREATE TABLE held (id int PRIMARY KEY, a text);"
HELD += " INSERT INTO held SELECT n, md5(n::text) FROM generate_series(1, 4000) n"


def untrusted(owner: psycopg.Connection[Any]) -> str:
    """An extension that only a superuser makes."""
    query = "SELECT name FROM pg_available_extension_versions WHERE superuser AND NOT trusted ORDER BY 1 LIMIT 1"
    ((name,),) = owner.execute(query.encode()).fetchall()
    return str(name)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 6)


@pytest.mark.needs("userns")
async def test_a_dump_that_changed_since_it_was_looked_at_leaves_nothing(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Cut short, swapped for another good one, or saying that its rows end where they do not."""
    server = newest_postgres
    with server.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(HELD.encode())
        kept = nightly(server, url, tmp_path)
        whole = kept.read_bytes()
        text = gzip.decompress(whole)
        ctx, args = context(door, server, tmp_path), RestoreArgs(backup=str(kept))
        facts, preview = await previewed(ctx, kept)
        assert preview.inverse is not None
        make, program = preview.calls[0], next(call for call in preview.calls if isinstance(call, ProcessCall))
        middle = text.index(b"2000\t")
        changed = {
            "cut": (whole[:-8], "is cut short"),
            "packed again": (packed(text + b"\n"), "was changed or swapped"),
            "rows that end early": (packed(text[:middle] + b"\\.\n"), "is missing"),
        }
        try:
            assert (await execute(door, make))[-1].status == 0
            for what, (data, words) in changed.items():
                kept.write_bytes(data)
                (result,) = await execute(door, program)
                assert result.status == 1, what
                assert words in result.text, what
                look = await Restore().check(ctx, args, facts)
                assert look.verdict == "partly", what
                there = server.url(look.outputs["database"])
                assert rows_of(there, "SELECT to_regclass('public.held')") == [(None,)], what
            kept.write_bytes(whole)
            assert [result.status for result in await execute(door, program)] == [0]
            assert rows_of(there, "SELECT count(*) FROM held") == [(4000,)]
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
            await door.stores.close()


ESCAPES = {
    "COPY held TO PROGRAM 'touch CANARY'": "pg_execute_server_program",
    "COPY held TO 'CANARY'": "pg_write_server_files",
    "COPY held (a) FROM '/etc/passwd'": "pg_read_server_files",
    "SELECT pg_read_file('/etc/passwd')": "permission denied for function pg_read_file",
    "SELECT lo_import('/etc/passwd')": "permission denied for function lo_import",
    "SET ROLE owner": 'permission denied to set role "owner"',
    "SELECT set_config('role', 'owner', false)": 'permission denied to set role "owner"',
    "RESET SESSION AUTHORIZATION; SET SESSION AUTHORIZATION owner": "permission denied to set session authorization",
    "ALTER SYSTEM SET archive_command = 'touch CANARY'": "permission denied to set parameter",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()": "permission denied to create event trigger",
    "CREATE FUNCTION g() RETURNS int LANGUAGE c AS '/tmp/x.so', 'x'": "permission denied for language c",
    "LOAD '/tmp/x.so'": "access to library",
    "ALTER ROLE owner PASSWORD 'x'": "permission denied to alter role",
    "CREATE ROLE evil": "permission denied to create role",
    "ALTER TABLE held OWNER TO owner": 'must be able to SET ROLE "owner"',
    "ALTER DATABASE postgres SET search_path TO evil": "must be owner of database",
    "CREATE EXTENSION UNTRUSTED": 'permission denied to create extension "UNTRUSTED"',
    "CREATE SUBSCRIPTION s CONNECTION 'host=evil' PUBLICATION p": "permission denied to create subscription",
}
"""By who restores, even where nobody had looked at it before: and the server's words."""


@pytest.mark.needs("userns")
async def test_whatever_a_dump_says_its_role_can_do_nothing_beyond(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Handed on as it stands, without the look at it that would refuse all of these."""
    server, canary = newest_postgres, tmp_path / "canary"
    with server.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(HELD.encode())
        extension = untrusted(owner)
        _, preview = await previewed(context(door, server, tmp_path), nightly(server, url, tmp_path))
        assert preview.inverse is not None
        program = next(call for call in preview.calls if isinstance(call, ProcessCall))
        raw = tmp_path / "raw"
        bare = program.model_copy(update={"stdin_from": (), "stdin_file": str(raw)})
        begin = "CREATE TABLE IF NOT EXISTS held (id int, a text);"
        begin += " CREATE OR REPLACE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        try:
            assert (await execute(door, preview.calls[0]))[-1].status == 0
            for statement, words in ESCAPES.items():
                told = statement.replace("CANARY", str(canary)).replace("UNTRUSTED", extension)
                raw.write_text(f"{begin}\n{told};\n")
                (result,) = await execute(door, bare)
                assert result.status == 3, statement
                assert words.replace("UNTRUSTED", extension) in result.text, (statement, result.text)
            assert not canary.exists()
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
            await door.stores.close()


HOSTILE = [
    rb"\! touch CANARY",
    rb"\copy held to program 'touch CANARY'",
    b"COPY held TO PROGRAM 'touch CANARY';",
    rb"\connect postgres",
    b"SET ROLE owner;",
    b"ALTER SYSTEM SET archive_command = 'touch CANARY';",
    b"CREATE EVENT TRIGGER always ON ddl_command_start EXECUTE FUNCTION f();",
    b"CREATE EXTENSION UNTRUSTED;",
    b"CREATE FUNCTION g() RETURNS int LANGUAGE c AS '/tmp/x.so', 'x';",
    b'GRANT SELECT ON TABLE public.held TO "no one";',
    b'CREATE POLICY p ON public.held TO owner, "no one" USING (true);',
]


@pytest.mark.needs("userns")
async def test_what_a_packed_dump_would_do_is_told_before_anything_is_made(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    server, canary = newest_postgres, tmp_path / "canary"
    with server.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(HELD.encode())
        extension = untrusted(owner)
        kept, before = nightly(server, url, tmp_path), names(owner)
        whole = gzip.decompress(kept.read_bytes())
        for harm in HOSTILE:
            told = harm.replace(b"CANARY", bytes(canary)).replace(b"UNTRUSTED", extension.encode())
            kept.write_bytes(packed(whole.replace(b"SET row_security = off;", b"SET row_security = off;\n" + told, 1)))
            words = await refused(door, server, kept)
            expected = ("psql's", "outside of", "another role", "beyond this", "only a superuser", "no role no one")
            assert any(word in words for word in expected), (harm, words)
            if b"no one" in harm:
                assert 'CREATE ROLE "no one"' in words
        assert names(owner) == before
        await door.stores.close()
    assert not canary.exists()


@pytest.mark.needs("userns")
async def test_roles_that_an_archive_names_and_nobody_has_are_told_before(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    server = newest_postgres
    with server.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(HELD.encode())
        with a_role(owner, 'Gone, ""x'), a_role(owner, "reader"):
            owner.execute('GRANT SELECT ON held TO "Gone, ""x"; CREATE POLICY p ON held TO reader USING (true)')
            kept = [dump(server, url, tmp_path / "a.dump", "-Fc"), dump(server, url, tmp_path / "b", "-Fd")]
        before = names(owner)
        for each in kept:
            words = await refused(door, server, each)
            assert 'this server has no role Gone, "x and reader' in words
            assert 'CREATE ROLE "Gone, ""x"; CREATE ROLE "reader"' in words
        assert names(owner) == before
        await door.stores.close()


@pytest.mark.needs("userns")
async def test_who_may_reach_beyond_its_databases_restores_nothing(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Being no superuser is not enough; another role can be named that restores."""
    server = newest_postgres
    with server.database() as url, psycopg.connect(url, autocommit=True) as owner:
        name = owner.info.dbname
        mighty = "CREATEDB IN ROLE plain, pg_read_server_files"
        with a_role(owner, "plain", "CREATEDB"), a_role(owner, "mighty", mighty):
            owner.execute("GRANT EXECUTE ON FUNCTION pg_control_system TO PUBLIC")
            owner.execute(f'ALTER DATABASE "{name}" OWNER TO plain'.encode())
            with psycopg.connect(server.url(name, "plain", PLAIN), autocommit=True) as connection:
                connection.execute(HELD.encode())
            kept = nightly(server, url, tmp_path)
            door.secrets[NAME] = server.url(name, "mighty", PLAIN)
            assert "mighty may reach beyond its databases (pg_read_server_files)" in await refused(door, server, kept)
            door.secrets["env:RESTORER"] = server.url(name, "plain", PLAIN)
            async with brought_back(door, server, kept, restore_as="env:RESTORER") as back:
                owned = (
                    "SELECT pg_get_userbyid(datdba), (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s)"
                )
                owned += " FROM pg_database WHERE datname = current_database()"
                held = rows_of(server.url(back.name), "SELECT 'held'::regclass::oid::int")[0][0]
                assert rows_of(server.url(back.name), owned, held) == [("plain", "plain")]


@pytest.mark.needs("userns", "postgres")
async def test_a_dump_of_another_major_version_comes_back_where_it_can(
    door: Door, newest_postgres: PostgresServer, system_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Of an older server, also where it would drop first what isn't there; of a newer one what is plain, also where it
    would make its database itself."""
    older, newer = system_postgres, newest_postgres
    with older.database() as there, newer.database() as here:
        for url in (there, here):
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute(HELD.encode())
        with_all = ("-Fp", "--create", "--clean", "--if-exists")
        cases = [
            (newer, here, there, dump(older, there, tmp_path / "old.dump", "-Fc")),
            (newer, here, there, dump(older, there, tmp_path / "old.sql", "-Fp", "--clean")),
            (older, there, here, dump(newer, here, tmp_path / "newer.sql", *with_all)),
        ]
        for server, live, source, kept in cases:
            door.secrets[NAME] = live
            async with brought_back(door, server, kept, database=source.rsplit("/", 1)[-1]) as back:
                assert back.mark.doubt == UNCOUNTED, kept.name
                assert rows_of(server.url(back.name), "SELECT count(*) FROM held") == [(4000,)], kept.name


@pytest.mark.needs("userns")
async def test_programs_that_the_server_does_not_understand_are_told_before(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 17 on pg_restore begins with a setting that a server before does not know. A plain dump is not its."""
    of_18 = Tools("", 18, 4, "")
    assert [bool(of_18.unknown_to(server)) for server in (15, 16, 17, 18)] == [True, True, False, False]
    assert not Tools("", 16, 14, "").unknown_to(15)
    monkeypatch.setattr(Tools, "unknown_to", lambda self, server: f"pg_restore {self.version} is not for {server}")
    with newest_postgres.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(HELD.encode())
        words = await refused(door, newest_postgres, dump(newest_postgres, url, tmp_path / "a.dump", "-Fc"))
        assert "is not for 18: install postgresql-client-18, or name its folder as tools" in words
        await previewed(context(door, newest_postgres, tmp_path), nightly(newest_postgres, url, tmp_path))
        await door.stores.close()
