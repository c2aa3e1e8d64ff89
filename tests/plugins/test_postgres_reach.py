"""Where a database is, by its address or in a container, and which programs fit its server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.api import BadInput, ProgramMissing
from warroom.model.call import PgPass
from warroom.testing.clock import START
from warroom_postgres import naming
from warroom_postgres.config import Config
from warroom_postgres.dumping.collector import DumpCollector
from warroom_postgres.reach.place import asked, place
from warroom_postgres.reach.tools import Tools, tools
from warroom_postgres.swapping.looking import Database, database_from

NAME = "env:DATABASE_URL"
DOCKER = """#!{python}
import os, sys
words = sys.argv[1:]
assert words[:5] == ["compose", "-p", "shop", "exec", "-T"], words
words = words[5:]
env = {{"PATH": "{programs}:" + os.environ["PATH"], "HOME": "/nowhere"}}
while words[0] == "-e":
    name, _, value = words[1].partition("=")
    env[name] = value
    words = words[2:]
assert words[:2] == ["--", "db"], words
os.execvpe(words[2], words[2:], env)
"""
"""Stands in for ``docker``: it runs the rest on this machine, with the environment that it was given and no other."""


async def test_programs_get_all_of_an_address_but_its_password(door: Door) -> None:
    door.secrets[NAME] = (
        "postgresql://us%40er:Sec%3Aret-word-9@db.example.com:6543/ai_saas?schema=App&connection_limit=5&pgbouncer=false"
        "&sslmode=require&pool_timeout=3&socket_timeout=3&statement_cache_size=0"
    )
    where = place(door.context("database", Config))
    program = where.program(("pg_dump",))
    words, env = program.argv, program.env
    assert words == ("pg_dump", "--no-password", "--dbname=dbname='ai_saas'")
    assert env.pop("PGPASSFILE") == PgPass(pgpass=NAME)
    assert {name: value for name, value in env.items() if name.startswith("PG")} == {
        "PGHOST": "db.example.com",
        "PGPORT": "6543",
        "PGUSER": "us@er",
        "PGSSLMODE": "require",
        "PGAPPNAME": "warroom",
        "PGCONNECT_TIMEOUT": "10",
    }
    assert (where.address.schema, where.address.pooled, where.where) == ("App", False, "db.example.com:6543/ai_saas")
    assert "Sec:ret-word-9" not in f"{where} {words} {env}"
    assert door.redactor.clean("Sec:ret-word-9") != "Sec:ret-word-9"
    door.secrets[NAME] = "postgresql://u@db/x?sslpassword=Phrase-of-a-key-77"
    assert "Phrase-of-a-key-77" not in str(place(door.context("database", Config)))


@pytest.mark.parametrize(
    ("config", "title"),
    [
        pytest.param({"through": {"project": "a", "service": "-x"}}, "service", id="option-as-service"),
        pytest.param({"through": {"project": "--help"}}, "project", id="option-as-project"),
        pytest.param({"through": {"project": "a", "context": "b", "host": "unix:///c"}}, "context or host", id="both"),
        pytest.param({"tools": "usr/bin"}, "tools", id="no-path"),
        pytest.param({"dump": {"jobs": 0}}, "jobs", id="no-jobs"),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], title: str) -> None:
    with pytest.raises(ValueError, match=title):
        Config.model_validate(config)


async def test_a_server_in_a_container_is_asked_and_dumped_within_it(
    door: Door, database: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs are the container's own, and have nothing of ours: not even a password but as their first input."""
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(python=sys.executable, programs=postgres.programs))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    door.secrets[NAME] = f"postgresql://owner:{PASSWORD}@db:5432/{name}"
    through = {"project": "shop", "service": "db", "port": postgres.port}
    ctx = door.context("database", Config, through=through)
    with filled(database):
        where = place(ctx)
        found = await asked(ctx, where, 'SELECT count(*) FROM "User"')
        assert found.rows == ((20,),)
        from warroom.testing.fakes import FakeFolder

        folder = FakeFolder(tmp_path / "kept")
        folder.root.mkdir()
        (folder.root / "database.dump.part").touch()
        await DumpCollector().collect(ctx, folder)
        assert folder.rows["public.User"] == 20
        assert (folder.root / "database.dump").read_bytes().startswith(b"PGDMP")
        assert PASSWORD not in str(door.shown)
        await door.stores.close()


async def test_programs_of_the_servers_version_are_found(
    door: Door, database: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    door.secrets[NAME] = database
    ctx = door.context("database", Config, tools=str(postgres.programs))
    where = place(ctx)
    (number,) = (await asked(ctx, where, "SELECT current_setting('server_version_num')::int")).rows[0]
    found = await tools(ctx, where, number // 10_000)
    assert (found.major, found.minor) == (number // 10_000, number % 100)
    with pytest.raises(ProgramMissing, match=f"found: {found.version}"):
        await tools(ctx, where, found.major + 1)
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(ProgramMissing, match="pg_restore"):
        await tools(door.context("database", Config, tools=str(tmp_path)), where, 15)


@pytest.mark.parametrize(
    ("major", "minor", "outdated", "psql"),
    [
        pytest.param(15, 18, False, True, id="between"),
        pytest.param(18, 6, False, False, id="mended"),
        pytest.param(17, 9, True, True, id="old"),
        pytest.param(13, 23, True, True, id="no-longer-mended"),
        pytest.param(19, 0, False, False, id="newer"),
    ],
)
def test_old_programs_are_named(major: int, minor: int, outdated: bool, psql: bool) -> None:
    found = Tools("", major, minor, "")
    assert (bool(found.outdated), bool(found.psql_outdated)) == (outdated, psql)


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=15))
def test_a_name_can_be_read_back_from_an_address(name: str) -> None:
    assert psycopg.conninfo.conninfo_to_dict(naming.conninfo(name))["dbname"] == name


async def test_names_and_texts_come_back_from_the_server(door: Door, database: str) -> None:
    door.secrets[NAME] = database
    for text in ("plain", "it's", 'a"b', "back\\slash", "%s {x}", "ü\n☃", "';--"):
        statement = f"SELECT {naming.literal(text)} AS {naming.quoted(text)}"
        found = await door.read.sql(NAME, statement, timeout=60)
        assert (found.columns, found.rows) == ((text,), ((text,),))
    for wrong in ("", "a\0b", "x" * 64, "☃" * 22):
        with pytest.raises(BadInput):
            naming.quoted(wrong)


def test_what_warroom_made_is_known_again() -> None:
    mark = naming.Mark.model_validate(
        {"is": "before", "of": "ai'saas", "state": "kept", "id": "ab12cd34", "at": START, "incident": "i1"}
    )
    assert naming.marked(mark.comment()) == mark
    assert naming.marked("somebody's own") is naming.marked(None) is naming.marked("warroom:{}") is None
    assert naming.name_for("ai_saas", "before", START, "ab12cd34") == "ai_saas~before~20260302T030000~ab12cd34"
    longest = naming.name_for("☃" * 21, "scratch", START, "ab12cd34")
    assert len(longest.encode()) <= 63
    assert longest.startswith("☃☃")


@pytest.mark.parametrize(
    ("name", "comment", "of"),
    [
        pytest.param("shop~scratch~20260302T030000~ab12cd34", None, {"shop"}, id="begun"),
        pytest.param("shop~proof~20260302T030000~ab12cd34", None, {"shop"}, id="a proof"),
        pytest.param("shop~scratch~20260302T030000~ab12cd34", "somebody's own", set(), id="another's"),
        pytest.param("shop~before~20260302T030000~ab12cd34", None, set(), id="was live"),
        pytest.param("shop~scratch~20269902T030000~ab12cd34", None, set(), id="no time"),
        pytest.param("~scratch~20260302T030000~ab12cd34", None, set(), id="of nothing"),
        pytest.param(naming.name_for("☃" * 21, "scratch", START, "ab12cd34"), None, {"☃" * 21}, id="cut"),
    ],
)
def test_what_was_begun_is_known_by_its_name_alone(name: str, comment: str | None, of: set[str]) -> None:
    row: dict[str, Any] = dict.fromkeys(Database.__dataclass_fields__, ()) | {"name": name, "comment": comment}
    found = database_from(row)
    assert {live for live in ("shop", "shop2", "☃" * 21, name) if found.beside(live)} == of
    assert found.unmarked is bool(of)
