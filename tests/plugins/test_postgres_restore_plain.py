"""Dumps as a nightly job leaves them, without a manifest: restored beside, whole or not at all."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

import psycopg

from tests.plugins.postgres_dumps import dump, programs_env
from tests.plugins.postgres_swaps import planned
from tests.plugins.test_postgres_restore import (
    AROUND,
    ODD,
    a_role,
    execute,
    names,
    previewed,
    rows_of,
)
from tests.plugins.test_postgres_restore import beside as beside
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.model.call import ProcessCall
from warroom.model.plan import Preview
from warroom_postgres.config import Config
from warroom_postgres.naming import Mark, marked
from warroom_postgres.restoring.restore import Restore, RestoreArgs

NIGHTLY = "ai_saas_20251009.sql.gz"
MORE = """
ALTER SCHEMA public OWNER TO owner;
CREATE STATISTICS both_of ON a, b FROM made; ALTER STATISTICS both_of OWNER TO "Some one";
CREATE COLLATION plain_c (LOCALE = 'C'); ALTER COLLATION plain_c OWNER TO "Some one";
CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION words OWNER TO "Some one";
CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = pg_catalog.simple); ALTER TEXT SEARCH DICTIONARY stems OWNER TO other;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); ALTER OPERATOR === (int, int) OWNER TO other;
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int); ALTER AGGREGATE total (int) OWNER TO other;
CREATE DOMAIN short AS text CHECK (length(VALUE) < 10); ALTER DOMAIN short OWNER TO other;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM made; ALTER MATERIALIZED VIEW counted OWNER TO "Some one";
CREATE SEQUENCE alone INCREMENT -3 MAXVALUE 100 START 50 CYCLE; ALTER SEQUENCE alone OWNER TO other;
SELECT nextval('alone'), setval('made_id_seq', 77, false);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET work_mem = '1MB'
  AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER stamped BEFORE UPDATE ON made FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE made DISABLE TRIGGER ALL;
CREATE UNLOGGED TABLE quick (a int) WITH (fillfactor = 50); ALTER TABLE quick ALTER a SET STATISTICS 500;
ALTER TABLE made REPLICA IDENTITY FULL; ALTER TABLE made CLUSTER ON made_pkey;
COMMENT ON COLUMN made.a IS 'it''s; \\! a';
ALTER TABLE quick ADD CONSTRAINT small CHECK (a < 5) NOT VALID;
CREATE RULE none AS ON DELETE TO quick DO INSTEAD NOTHING;
GRANT USAGE ON SCHEMA public TO other; GRANT UPDATE ON SEQUENCE alone TO "Some one"; GRANT USAGE ON TYPE mood TO other;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO other;
CREATE FUNCTION gladder(mood, mood) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR >>> (LEFTARG = mood, RIGHTARG = mood, FUNCTION = gladder);
ALTER OPERATOR >>> (mood, mood) OWNER TO other;
DO $x$ DECLARE one oid; BEGIN SELECT oid INTO one FROM pg_largeobject_metadata;
  EXECUTE format('ALTER LARGE OBJECT %s OWNER TO "Some one"', one);
  EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO other', one); END $x$;
"""
"""What else has an owner, rights, or a state of its own."""
UNCOUNTED = "nobody counted its rows when it was dumped"


def nightly(server: PostgresServer, url: str, folder: Path, *words: str) -> Path:
    """As ``pg_dump | gzip > FILE`` leaves it."""
    plain = dump(server, url, folder / "plain", "-Fp", *words)
    packed = folder / NIGHTLY
    packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
    plain.unlink()
    return packed


def all_of_it(of: str | Path, server: PostgresServer) -> list[str]:
    """A dump's own text: tables, rows, numbers of sequences, owners, rights, default rights, comments, policies."""
    env = programs_env()
    if isinstance(of, Path):
        argv = [str(server.programs / "pg_restore"), "-f", "-", str(of)]
    else:
        argv = [str(server.programs / "pg_dump"), f"--dbname={of.replace(f':{PASSWORD}@', '@')}", "-Fp"]
    text = subprocess.run(argv, env=env, check=True, capture_output=True, timeout=60).stdout.decode()
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


@dataclass(frozen=True)
class Back:
    name: str
    preview: Preview
    mark: Mark


@asynccontextmanager
async def brought_back(
    door: Door, server: PostgresServer, kept: Path, *, database: str | None = None, **more: Any
) -> AsyncIterator[Back]:
    """Restored beside, and dropped again with all that was made for it. ``database``: what it was dumped from."""
    backups = {"folders": [str(kept.parent)], "database": database}
    ctx = door.context("database", Config, tools=str(server.programs), backups=backups, **more)
    facts, preview = await previewed(ctx, kept)
    assert preview.inverse is not None
    try:
        results = await execute(door, *preview.calls)
        assert [result.status for result in results] == [0] * len(preview.calls), results[-1].text
        look = await Restore().check(ctx, RestoreArgs(backup=str(kept)), facts)
        assert look.verdict == "done", look
        name = look.outputs["database"]
        about = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        mark = marked(rows_of(server.url("postgres"), about, name)[0][0])
        assert mark is not None
        assert (mark.state, mark.archive) == ("restored", preview.pinned["backup"])
        yield Back(name, preview, mark)
    finally:
        assert (await execute(door, *preview.inverse))[-1].status == 0
        await door.stores.close()


async def test_a_dump_without_a_manifest_comes_back_as_the_live_one_is(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Of a superuser's database, by a role that is none: owners, rights and settings are the live one's all the same.

    Names of every kind, partitions, generated columns, row-level security, large objects.
    """
    live = beside.info.dbname
    publication = "CREATE PUBLICATION changes WITH (publish = 'insert, update, delete, truncate');"
    apart = {publication, "ALTER PUBLICATION changes OWNER TO owner;"}
    apart |= {'ALTER PUBLICATION changes ADD TABLE ONLY public."User";'}
    # Rights that others gave are given by the owner: nobody but a superuser can give them in another's name.
    apart |= {"SET SESSION AUTHORIZATION other;", "RESET SESSION AUTHORIZATION;"}
    with a_role(beside, "Some one"), a_role(beside, "other"):
        beside.execute(ODD.partition("DO $$")[0].encode())
        for statement in (
            MORE,
            'ALTER TABLE made OWNER TO "Some one"; ALTER FUNCTION twice(int) OWNER TO "Some one";'
            'ALTER TYPE mood OWNER TO "Some one"; CREATE POLICY for_some ON made TO "Some one", other USING (true)',
            'GRANT SELECT (id), UPDATE ON "User" TO "Some one"; GRANT SELECT ON "User" TO other WITH GRANT OPTION',
            'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "Some one"',
            f'ALTER DATABASE "{live}" SET work_mem TO \'5MB\'; ALTER DATABASE "{live}" CONNECTION LIMIT 17',
            f'REVOKE TEMPORARY ON DATABASE "{live}" FROM PUBLIC; CREATE PUBLICATION changes FOR TABLE "User"',
        ):
            beside.execute(statement.encode())
        before = names(beside)
        archive = dump(postgres, database, tmp_path / "a.dump", "-Fc")
        beside.execute('SET ROLE other; GRANT SELECT ON "User" TO PUBLIC; RESET ROLE')
        as_it_was, wanted = all_of_it(archive, postgres), all_of_it(database, postgres)
        for kept, lines in ((archive, as_it_was), (nightly(postgres, database, tmp_path), wanted)):
            async with brought_back(door, postgres, kept) as back:
                assert names(beside) - before == {back.name}, "its role is gone"
                assert any("PUBLICATION" in note and "changes" in note for note in back.preview.notes)
                assert any(UNCOUNTED in note for note in back.preview.notes)
                assert back.mark.doubt == UNCOUNTED
                assert rows_of(postgres.url(back.name), AROUND, back.name) == rows_of(database, AROUND, live)
                was, now = [one for one in lines if one not in apart], all_of_it(postgres.url(back.name), postgres)
                assert "\n".join(unified_diff(was, now, lineterm="", n=0)) == ""
                _, swap = await planned(door)
                assert swap.unproven == UNCOUNTED
            assert names(beside) == before
        program, _ = [call for call in back.preview.calls if isinstance(call, ProcessCall)]
        assert f"< {kept} | " in program.paste()
    assert PASSWORD not in str(door.shown)
