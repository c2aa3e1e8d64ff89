"""What stands in the way of a restore is told before anything is begun, on real servers; hostile dumps run nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.test_postgres_restore import (
    NAME,
    PRISMA,
    a_role,
    context,
    execute,
    names,
    previewed,
    rows_of,
    vouched,
)
from tests.plugins.test_postgres_restore import beside as beside
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import BadInput, WarroomError
from warroom.model.call import ProcessCall
from warroom.testing.conformance.findings import Findings
from warroom.testing.conformance.operations import Case, check_operation
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.config import Config
from warroom_postgres.restoring.archive import archive_from
from warroom_postgres.restoring.compare import Compare
from warroom_postgres.restoring.restore import Restore, RestoreArgs
from warroom_postgres.restoring.room import free_from

PLAIN = "Password-of-plain-8"


async def refused(door: Door, server: PostgresServer, kept: Path) -> str:
    with pytest.raises(WarroomError) as found:
        await Restore().facts(context(door, server, kept.parent), RestoreArgs(backup=str(kept)))
    return f"{found.value.title}: {found.value.cause}"


async def test_a_role_without_rights_is_told_of_all_that_it_lacks(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    kept = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
    before = names(beside)
    with a_role(beside, "plain", "IN ROLE pg_read_all_settings"):
        beside.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
        beside.execute("GRANT EXECUTE ON FUNCTION pg_control_system TO plain")
        beside.execute(f'ALTER DATABASE "{beside.info.dbname}" SET log_min_duration_statement TO 100'.encode())
        door.secrets[NAME] = postgres.url(beside.info.dbname, "plain", PLAIN)
        words = await refused(door, postgres, kept)
        await door.stores.close()
    assert "plain can make no database" in words
    assert "plain can't give it to owner, which owns the database (GRANT owner TO plain)" in words
    assert "only a superuser can set log_min_duration_statement" in words
    assert names(beside) == before


async def test_a_plain_dump_goes_through_psql_where_its_role_owns_all(
    door: Door, postgres: PostgresServer, tmp_path: Path
) -> None:
    """What it says of owners is left out: so by who owns all of it, and by a login of a superuser's."""
    with postgres.database() as url, psycopg.connect(url, autocommit=True) as owner, a_role(owner, "plain", "CREATEDB"):
        name = owner.info.dbname
        owner.execute(f'ALTER DATABASE "{name}" OWNER TO plain'.encode())
        owner.execute("GRANT EXECUTE ON FUNCTION pg_control_system TO plain")
        theirs = postgres.url(name, "plain", PLAIN)
        with psycopg.connect(theirs, autocommit=True) as connection:
            connection.execute("CREATE TABLE held (id int PRIMARY KEY, a text)")
            connection.execute("INSERT INTO held VALUES (1, 'a'), (2, '\\! touch x')")
        kept = vouched(postgres, url, tmp_path / "a.sql", {("public", "held"): 2}, "-Fp")
        door.secrets[NAME] = theirs
        facts, preview = await previewed(context(door, postgres, tmp_path), kept)
        assert preview.inverse is not None
        try:
            results = await execute(door, *preview.calls)
            assert results[-1].status == 0, results[-1].text
            look = await Restore().check(context(door, postgres, tmp_path), RestoreArgs(backup=str(kept)), facts)
            assert look.verdict == "done"
            made = postgres.url(look.outputs["database"])
            assert rows_of(made, "SELECT count(*) FROM held") == [(2,)]
            assert rows_of(
                made, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
            ) == [("plain",)]
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
        await door.stores.close()


@pytest.mark.parametrize(
    "harm", [r"\! touch CANARY", "COPY held TO PROGRAM 'touch CANARY';"], ids=["command", "program"]
)
@pytest.mark.needs("userns")
async def test_a_dump_that_would_run_a_program_is_refused(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path, harm: str
) -> None:
    """Though its manifest vouches for these very bytes. Nothing of it is ever handed to psql."""
    canary = tmp_path / "canary"
    with newest_postgres.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute("CREATE TABLE held (id int PRIMARY KEY)")
        owner.execute("INSERT INTO held VALUES (1)")
        kept = vouched(newest_postgres, url, tmp_path / "a.sql", {("public", "held"): 1}, "-Fp")
        text = kept.read_text()
        kept.write_text(
            text.replace("SET row_security = off;", f"SET row_security = off;\n{harm}\n".replace("CANARY", str(canary)))
        )
        told = manifests.read(kept)
        assert told is not None
        digest, size = manifests.hash_file(kept)
        manifests.write(told.model_copy(update={"sha256": digest, "bytes": size}), kept)
        words = await refused(door, newest_postgres, kept)
        assert "is refused" in words
        assert "has a command of psql's" in words or "reads or writes outside of the database" in words
        await door.stores.close()
    assert not canary.exists()


async def test_what_an_archive_runs_of_its_own_can_do_no_harm(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """An index's function that starts a program is stopped by the role; nothing before or after runs it as another."""
    canary = tmp_path / "canary"
    beside.execute(
        "CREATE FUNCTION inner_one(x text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN x; END $$;"
        "CREATE FUNCTION outer_one(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN RETURN public.inner_one(x); END $$;"
        'CREATE INDEX ON "User" (outer_one("id"))'
    )
    beside.execute(
        "CREATE OR REPLACE FUNCTION inner_one(x text) RETURNS text LANGUAGE plpgsql AS"
        f" $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch {canary}'''; RETURN x; END $$".encode()
    )
    kept = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
    _, preview = await previewed(context(door, postgres, tmp_path), kept)
    assert preview.inverse is not None
    try:
        results = await execute(door, *preview.calls)
        assert results[-1].status == 1
        assert "pg_execute_server_program" in results[-1].text
        assert not canary.exists()
    finally:
        assert (await execute(door, *preview.inverse))[-1].status == 0


@pytest.mark.needs("userns", "postgres")
async def test_extensions_are_made_by_whom_they_need_or_missed_before(
    door: Door, system_postgres: PostgresServer, tmp_path: Path
) -> None:
    """One that only a superuser may make, in a schema of its own; one that everybody may; one that isn't there."""
    with system_postgres.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute(
            'CREATE SCHEMA "More ones"; CREATE EXTENSION amcheck SCHEMA "More ones"; CREATE EXTENSION pg_trgm'
        )
        owner.execute("CREATE TABLE held (id int PRIMARY KEY, a text); CREATE INDEX ON held USING gin (a gin_trgm_ops)")
        owner.execute("INSERT INTO held VALUES (1, 'a'); CREATE PUBLICATION everything FOR ALL TABLES")
        kept = vouched(system_postgres, url, tmp_path / "a.dump", {("public", "held"): 1})
        ctx = context(door, system_postgres, tmp_path)
        facts, preview = await previewed(ctx, kept)
        assert any("PUBLICATION - everything" in note for note in preview.notes)
        assert preview.inverse is not None
        try:
            results = await execute(door, *preview.calls)
            assert results[-1].status == 0, results[-1].text
            look = await Restore().check(ctx, RestoreArgs(backup=str(kept)), facts)
            query = "SELECT extname, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace ORDER BY 1"
            assert rows_of(system_postgres.url(look.outputs["database"]), query) == rows_of(url, query)
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
        await door.stores.close()


@pytest.mark.needs("userns", "postgres")
async def test_an_extension_that_the_server_lacks_is_told_before(
    door: Door, newest_postgres: PostgresServer, system_postgres: PostgresServer, tmp_path: Path
) -> None:
    """The dump is another server's: it may be looked at beside, were it not for what it needs."""
    with system_postgres.database() as url, psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE EXTENSION pg_trgm; CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1)")
        kept = vouched(system_postgres, url, tmp_path / "a.dump", {("public", "held"): 1})
        name = owner.info.dbname
    with newest_postgres.database() as here, psycopg.connect(here, autocommit=True) as owner:
        owner.execute("CREATE TABLE held (id int PRIMARY KEY)")
        door.secrets[NAME] = here
        folder = {"folders": [str(tmp_path)], "database": name}
        ctx = door.context("database", Config, tools=str(newest_postgres.programs), backups=folder)
        with pytest.raises(BadInput) as found:
            await Restore().facts(ctx, RestoreArgs(backup=str(kept)))
        assert found.value.cause == "this server has no extension pg_trgm: install it there"
        await door.stores.close()


def test_a_list_of_contents_says_what_is_needed() -> None:
    lines = [
        *("; Archive created at", "5; 2615 1 SCHEMA - More ones owner", "2; 3079 2 EXTENSION - nowhere "),
        *(
            "3; 3079 3 EXTENSION - of its own ",
            "9; 0 0 COMMENT - EXTENSION nowhere ",
            "10; 826 5 DEFAULT ACL public x o",
        ),
        *("11; 2616 6 OPERATOR CLASS public odd owner", "12; 1259 7 TABLE public PUBLICATION owner"),
    ]
    found = archive_from(lines, {"of its own": "More ones"})
    assert found.extensions == ("nowhere", "of its own")
    assert found.beyond == ("OPERATOR CLASS public odd owner",)
    assert found.entries.splitlines() == [lines[2], lines[3], lines[6], lines[7]]
    assert archive_from(lines[6:]).entries == "", "nothing is left out, so there is no list"


def test_room_is_read_from_df() -> None:
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
    assert (
        free_from(f"{head}/dev/a b 100 60 40 60% /var") is None or free_from(f"{head}/dev/a 100 60 40 60% /") == 40960
    )
    assert free_from(head) is None
    assert free_from("") is None


@pytest.mark.needs("userns")
async def test_the_operations_keep_the_contract(door: Door, newest_postgres: PostgresServer, tmp_path: Path) -> None:
    """Restored with several connections from a folder; pure previews, and nothing hostile in an argv."""
    with newest_postgres.database() as url, psycopg.connect(url, autocommit=True) as owner:
        door.secrets[NAME] = url
        owner.execute("CREATE TABLE held (id int PRIMARY KEY)")
        owner.execute("INSERT INTO held VALUES (1)")
        kept = vouched(newest_postgres, url, tmp_path / "a", {("public", "held"): 1}, "-Fd")
        ctx = context(door, newest_postgres, tmp_path)
        findings = Findings()
        secrets = set(door.secrets.values())
        await check_operation(Restore(), ctx, Case("restore", {"backup": str(kept)}), secrets, findings, 30)
        facts, preview = await previewed(ctx, kept)
        assert preview.inverse is not None
        programs: Sequence[ProcessCall] = [call for call in preview.calls if isinstance(call, ProcessCall)]
        assert [word for word in programs[0].argv if word == "--jobs=2"]
        try:
            results = await execute(door, *preview.calls)
            assert results[-1].status == 0, results[-1].text
            look = await Restore().check(ctx, RestoreArgs(backup=str(kept)), facts)
            case = Case("compare", {"database": look.outputs["database"]})
            await check_operation(Compare(), ctx, case, secrets, findings, 30)
            assert not findings.found, findings.found
            named = psycopg.sql.Identifier(look.outputs["database"])
            owner.execute(psycopg.sql.SQL("COMMENT ON DATABASE {} IS 'of somebody else'").format(named))
            refused_drop = (await execute(door, *preview.inverse))[-1]
            assert refused_drop.status == 1
            assert "is another one" in refused_drop.text
            owner.execute(psycopg.sql.SQL("COMMENT ON DATABASE {} IS NULL").format(named))
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
        await door.stores.close()


async def test_a_backup_elsewhere_or_none_configured_is_refused(door: Door, tmp_path: Path) -> None:
    door.secrets[NAME] = "postgresql://nobody@127.0.0.1:1/x"
    with pytest.raises(BadInput, match="no folder of backups"):
        await Restore().facts(door.context("database", Config), RestoreArgs(backup="/a.dump"))
