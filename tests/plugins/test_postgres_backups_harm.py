"""What a dump would run: nothing but what brings the tables back. And that what is quoted is told as psql tells it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.postgres_dumps import programs_env
from tests.servers import PASSWORD, PostgresServer
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.harm import Found, look
from warroom_postgres.backups.lexing import Lexer, Piece
from warroom_postgres.backups.plain import BEGINS, read_plain
from warroom_postgres.backups.reading import Damaged

END = b"\n--\n-- PostgreSQL database dump complete\n--\n\n"


def lexed(text: bytes, size: Callable[[], int] | None = None) -> tuple[list[Piece], str]:
    lexer, pieces, at = Lexer(), list[Piece](), 0
    while at < len(text):
        step = size() if size else len(text)
        pieces += lexer.feed(text[at : at + step], last=at + step >= len(text))
        at += step
    return pieces, lexer.unfinished


def read(body: bytes) -> Contents:
    contents = Contents(format="plain", compression="none")
    read_plain([BEGINS + b"\n" + body + END], contents)
    return contents


FRAGMENTS = [b"'", b'"', b"E'", b"\\", b"\\.", b"\n", b"--", b"/*", b"*/", b"$a$", b"$$", b"x", b"1", b";", b"(", b")"]
FRAGMENTS += [
    b"COPY t FROM stdin;\n",
    b"\\.\n",
    b"begin ",
    b"create function ",
    b" end",
    b" case ",
    b"-",
    b"/",
    b"\r\n",
]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=50), st.integers())
def test_where_a_dump_is_cut_into_pieces_makes_no_difference(parts: list[bytes], seed: int) -> None:
    text, chance = b"".join(parts), random.Random(seed)
    whole = lexed(text)
    assert lexed(text, lambda: 1) == whole
    assert lexed(text, lambda: chance.randrange(1, 9)) == whole


def commands(text: bytes) -> list[bytes]:
    return [piece.text for piece in lexed(text)[0] if piece.kind == "command"]


CASES: list[tuple[bytes, bool]] = [
    (b"SELECT 'a'; \\! x", True),
    (b"SELECT 'a\\'; \\! x", True),
    (b"SELECT 'a\\'; \\! x'", True),
    (b"SELECT E'a\\'; \\! x'", False),
    (b"SELECT E'a\\\\'; \\! x'", True),
    (b"SELECT E'abc'\n 'd\\'; \\! x'", False),
    (b"SELECT E'abc' 'd\\'; \\! x'", True),
    (b"SELECT typeE'd\\'; \\! x'", True),
    (b"SELECT U&'\\'; \\! x", True),
    (b'SELECT "\\! x"', False),
    (b"SELECT $$ \\! x $$", False),
    (b"SELECT $a$ $$ \\! x $a$", False),
    (b"SELECT a$b$; \\! x $b$", True),
    (b"SELECT 1$b$; \\! x $b$", False),
    (b"/* /* */ \\! x */", False),
    (b"/* /* */ */ \\! x", True),
    (b"-- a \\! x\n", False),
    (b"-- a\n\\! x\n", True),
    (b"COPY t FROM stdin;\n\\! x\n\\.\n", False),
    (b"COPY t FROM stdin;\n\\.\n\\! x\n", True),
    (b"COPY t FROM stdin; \\! x\n\\.\n", True),
    (b"COPY t FROM stdin;\n\\.\r\n\\! x\n", True),
    (b"SELECT 1 \\g |x", True),
    (b"SELECT 1 \\; \\! x", True),
    (b"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; \\! x", True),
]
"""Whether psql would take ``\\! x`` for a command of its own."""


@pytest.mark.parametrize(("text", "taken"), CASES)
def test_a_command_of_psqls_is_seen_wherever_psql_would_see_it(text: bytes, taken: bool) -> None:
    assert bool(commands(text)) == taken


def taken_by_psql(server: PostgresServer, url: str, text: bytes, place: Path) -> bool:
    """Whether a real psql takes the command, here one that only says so."""
    file = place / "dump.sql"
    file.write_bytes(b"CREATE TEMP TABLE t (a text);\n" + text.replace(b"\\! x", b"\\echo CANARY"))
    argv = ["psql", "--no-psqlrc", "--no-password", "--dbname", url.replace(f":{PASSWORD}@", "@"), "-f", str(file)]
    done = subprocess.run(argv, env=programs_env(), check=False, capture_output=True, timeout=30)
    return any(line.startswith(b"CANARY") for line in done.stdout.splitlines())


@pytest.mark.needs("userns", "postgres")
def test_psql_itself_agrees(system_postgres: PostgresServer, tmp_path: Path, full: bool) -> None:
    """Its word against ours, in the cases above and in texts thrown together."""
    chance = random.Random(8)
    with system_postgres.database() as url:
        thrown = [b"".join(chance.choices(FRAGMENTS, k=12)) + b" \\! x \n" for _ in range(400 if full else 25)]
        for text in [*(text for text, _ in CASES if b"\\! x" in text), *thrown]:
            # A dump with any command is refused, whatever becomes of the rest of it.
            assert commands(text) or not taken_by_psql(system_postgres, url, text, tmp_path), text


@pytest.mark.parametrize(
    "statement",
    [
        b"COPY t FROM PROGRAM 'touch /tmp/canary'",
        b"COPY t TO PROGRAM 'cat'",
        b"copy t from '/etc/passwd'",
        b"COPY (SELECT 1) TO '/tmp/x'",
        b"COPY t FROM stdin WHERE f(a)",
        b'COPY "t"; SELECT 1 -- FROM stdin',
        b"DO $$ BEGIN EXECUTE 'x'; END $$",
        b"CALL p()",
        b"LOAD '/tmp/x.so'",
        b"ALTER SYSTEM SET archive_command = 'x'",
        b"CREATE ROLE evil SUPERUSER",
        b"ALTER USER owner PASSWORD 'x'",
        b"DROP DATABASE ai_saas",
        b"ALTER DATABASE ai_saas SET search_path = evil",
        b"GRANT pg_execute_server_program TO app",
        b"GRANT ALL ON DATABASE ai_saas TO PUBLIC",
        b"COMMENT ON DATABASE ai_saas IS 'x'",
        b"SET standard_conforming_strings = off",
        b"SET client_encoding = 'SJIS'",
        b"CREATE SUBSCRIPTION s CONNECTION 'host=evil' PUBLICATION p",
        b"PREPARE x AS SELECT 1",
    ],
)
def test_what_reaches_beyond_the_tables_is_harm(statement: bytes) -> None:
    found = Found()
    (piece,) = [part for part in lexed(statement + b"\n;")[0] if part.kind == "statement"][:1]
    look(piece, found)
    assert found.harm
    assert not found.strange


@pytest.mark.parametrize(
    "statement",
    [
        b"SELECT evil()",
        b"SELECT pg_catalog.setval('s', evil(), true)",
        b"SELECT pg_catalog.set_config('search_path', evil(), false)",
        b"SELECT * FROM pg_catalog.pg_restore_relation_stats('relation', evil())",
        b"SET session_preload_libraries = 'x'",
        b"SET local_preload_libraries TO 'x'",
        b"VACUUM",
        b"UPDATE t SET a = 1",
        b"WITH x AS (SELECT 1) SELECT * FROM x",
        b"LISTEN x",
    ],
)
def test_what_pg_dump_does_not_write_is_strange(statement: bytes) -> None:
    found = Found()
    look(Piece("statement", statement), found)
    assert found.strange
    assert not found.harm


def test_a_plain_dump_that_would_run_something_says_what() -> None:
    told = read(b"CREATE TABLE t (a int);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n\\! touch /tmp/canary\n")
    assert told.found.harm == ["has a command of psql's: \\! touch /tmp/canary"]
    assert told.rows == {("public", "t"): 1}
    assert "\\connect" in read(b"\\connect other\n").found.harm[0]
    assert read(b"\\restrict abc\nSET row_security = off;\n\\unrestrict abc\n").found.harm == []
    assert read(b"\\restrict abc\n\\unrestrict abd\n\\unrestrict abc\n").found.harm
    assert read(b"\\unrestrict abc\n").found.harm
    assert read(b"SELECT 1;").found.strange == ["SELECT 1"]


@pytest.mark.parametrize(
    "body",
    [
        b"CREATE TABLE t (a int)",
        b"SELECT 'abc",
        b"COPY t FROM stdin;\n1\n",
        b"/* abc",
        b"\\restrict abc\n",
    ],
)
def test_a_plain_dump_that_ends_within_something_is_cut_short(body: bytes) -> None:
    with pytest.raises(Damaged, match="is cut short"):
        read(body)
    with pytest.raises(Damaged, match="is missing"):
        read_plain([BEGINS + b"SET row_security = off;\n"], Contents(format="plain", compression="none"))


def test_what_stands_behind_the_end_is_harm() -> None:
    contents = Contents(format="plain", compression="none")
    read_plain([BEGINS + END + b"SET row_security = off;\n"], contents)
    assert contents.found.harm == ["goes on after its end: SET row_security = off"]


def test_a_table_whose_data_looks_like_an_end_is_not_one() -> None:
    with pytest.raises(Damaged, match="is missing"):
        read_plain(
            [BEGINS + b"COPY t FROM stdin;\n-- PostgreSQL database dump complete\n\\.\n"],
            Contents(format="plain", compression="none"),
        )
