"""What of a plain dump reaches psql: what brings the tables back, and an end only where the dump was whole."""

from __future__ import annotations

import gzip
import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from warroom_postgres.backups.plain import BEGINS
from warroom_postgres.backups.reading import Damaged, Source, open_plain
from warroom_postgres.restoring import feeding
from warroom_postgres.restoring.feeding import BEGIN, COMMIT, Feed, feed

END = b"\n--\n-- PostgreSQL database dump complete\n--\n\n"
BODY = rb"""
\restrict abc
SET statement_timeout = 0;
SET transaction_timeout = 0;
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
ALTER TABLE ONLY public.gone DROP CONSTRAINT gone_pkey;
DROP TABLE public.gone;
CREATE SCHEMA "Of ""an"" extension";
CREATE SCHEMA app;
ALTER SCHEMA app OWNER TO "some one";
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA "Of ""an"" extension";
COMMENT ON EXTENSION pg_trgm IS 'x';
SET default_tablespace = fast;
CREATE TABLE public.t ( -- a comment; within
    a integer, b text DEFAULT ' OWNER TO x;');
ALTER TABLE public.t OWNER TO owner;
CREATE TABLE public."y OWNER TO z" (a integer);
CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$ SELECT 1; BEGIN; $$;
BEGIN;
SELECT pg_catalog.lo_create('16400');
COMMIT;
COPY public.t (a, b) FROM stdin;
1	ALTER TABLE public.t OWNER TO owner;
2	COMMIT;
\.
CREATE PUBLICATION changes FOR TABLE public.t;
ALTER PUBLICATION changes ADD TABLE ONLY public.t;
SET SESSION AUTHORIZATION other;
GRANT SELECT ON TABLE public.t TO reader;
RESET SESSION AUTHORIZATION;
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO reader;
\unrestrict abc
"""
LEFT = rb"""
SET statement_timeout = 0;
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA app;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA "Of ""an"" extension";
CREATE TABLE public.t ( -- a comment; within
    a integer, b text DEFAULT ' OWNER TO x;');
CREATE TABLE public."y OWNER TO z" (a integer);
CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$ SELECT 1; BEGIN; $$;
SELECT pg_catalog.lo_create('16400');
COPY public.t (a, b) FROM stdin;
1	ALTER TABLE public.t OWNER TO owner;
2	COMMIT;
\.
GRANT SELECT ON TABLE public.t TO reader;
"""
WHOLE = BEGINS + BODY + END


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def fed(folder: Path, data: bytes, of: str = "") -> bytes:
    """What was given on. Raises Damaged."""
    path, given = folder / "dump", list[bytes]()
    path.write_bytes(data)
    with open_plain(path) as file:
        feed(Source(file), given.append, sha256=of or sha256(data), made=['Of "an" extension'], server=15)
    return b"".join(given)


def statements(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith(b"--")]


def test_what_only_a_superuser_could_do_is_left_out_and_the_rest_as_it_stands(tmp_path: Path) -> None:
    given = fed(tmp_path, WHOLE)
    assert given.startswith(BEGIN)
    assert given.endswith(COMMIT)
    assert statements(given[len(BEGIN) : -len(COMMIT)]) == statements(LEFT)
    assert fed(tmp_path, gzip.compress(WHOLE)) == given
    newer = list[bytes]()
    Feed(newer.append, server=17).take(WHOLE)
    assert b"SET transaction_timeout = 0;" in b"".join(newer)


CREATES = rb"""
DROP DATABASE IF EXISTS "shop";
CREATE DATABASE "shop" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';
ALTER DATABASE "shop" OWNER TO owner;
COMMENT ON DATABASE "shop" IS 'it; s';
REVOKE CONNECT,TEMPORARY ON DATABASE "shop" FROM PUBLIC;
ALTER ROLE app IN DATABASE "shop" SET work_mem TO '1MB';
"""


def test_what_makes_the_database_itself_is_left_out(tmp_path: Path) -> None:
    for create, connect in ((CREATES, b""), (CREATES.replace(b'"', b""), b"\\connect shop\n")):
        data = WHOLE.replace(rb"\restrict abc", create + connect + rb"\restrict abc")
        assert statements(fed(tmp_path, data)) == statements(fed(tmp_path, WHOLE))
    for other in (
        WHOLE.replace(rb"\restrict abc", CREATES + b"\\connect other\n" + rb"\restrict abc"),
        WHOLE.replace(b"CREATE SCHEMA app;", b"CREATE SCHEMA app;" + CREATES),
        WHOLE.replace(rb"\restrict abc", CREATES + b"ALTER DATABASE live SET search_path TO evil;" + rb"\restrict abc"),
        WHOLE.replace(rb"\restrict abc", CREATES + b"DROP DATABASE live;" + rb"\restrict abc"),
        WHOLE.replace(rb"\restrict abc", CREATES.replace(b'"', b"") + b"\\connect shop\n" * 2 + rb"\restrict abc"),
    ):
        with pytest.raises(Damaged, match=r"beyond this database|command of psql"):
            fed(tmp_path, other)


def test_where_a_dump_is_cut_into_pieces_makes_no_difference() -> None:
    def given(sizes: list[int]) -> bytes:
        parts, at = list[bytes](), 0
        to = Feed(parts.append, made=['Of "an" extension'], server=15)
        for size in sizes:
            to.take(WHOLE[at : at + size])
            at += size
        to.end()
        return b"".join(parts)

    chance, whole = random.Random(5), given([len(WHOLE)])
    assert given([1] * len(WHOLE)) == whole
    for _ in range(20):
        assert given([chance.randrange(1, 90) for _ in range(len(WHOLE))]) == whole


def test_a_dump_that_is_not_whole_has_no_end(tmp_path: Path, full: bool) -> None:
    """Cut anywhere, or one bit flipped: packed or not, no COMMIT is ever written."""
    rows = b"".join(b"%d\t%s\n" % (n, hashlib.sha256(b"%d" % n).hexdigest().encode()) for n in range(6000))
    plain = WHOLE.replace(b"2\tCOMMIT;\n", b"2\tCOMMIT;\n" + rows)
    chance, tried = random.Random(8), 0
    for data in (gzip.compress(plain), plain):
        of = sha256(data)
        cuts = {*range(0, len(data), 65536), *range(len(data) - 9, len(data))}
        cuts |= {chance.randrange(len(data)) for _ in range(200 if full else 12)}
        changed = [data[:cut] for cut in sorted(cuts)]
        for _ in range(200 if full else 20):
            at = chance.randrange(len(data) * 8)
            changed.append(data[: at // 8] + bytes([data[at // 8] ^ (1 << at % 8)]) + data[at // 8 + 1 :])
        for each in changed:
            given = list[bytes]()
            path = tmp_path / "dump"
            path.write_bytes(each)
            with open_plain(path) as file, pytest.raises(Damaged):
                feed(Source(file), given.append, sha256=of, made=[], server=15)
            assert COMMIT not in given
            tried += 1
    assert tried > 60


@pytest.mark.parametrize(
    "harm",
    [
        rb"\! touch CANARY",
        rb"\copy held to program 'touch CANARY'",
        rb"\connect postgres",
        rb"SELECT 1 \g |touch CANARY",
        b"COPY held TO PROGRAM 'touch CANARY';",
        b"COPY held FROM '/etc/passwd';",
        b"SET ROLE owner;",
        b"SET SESSION ROLE owner;",
        b"SELECT pg_catalog.set_config('role', 'owner', false);",
        b"SELECT pg_catalog.set_config('session_authorization', 'owner', false);",
        b"ALTER SYSTEM SET archive_command = 'touch CANARY';",
        b"DO $$ BEGIN END $$;",
        b"ROLLBACK;",
        b"COMMIT AND CHAIN;",
        b"COMMIT PREPARED 'x';",
        b"END;",
        b"DROP DATABASE live;",
    ],
)
def test_what_would_do_more_is_never_handed_on(harm: bytes, tmp_path: Path) -> None:
    given = list[bytes]()
    data = WHOLE.replace(b"CREATE SCHEMA app;", b"CREATE SCHEMA app;\n" + harm)
    path = tmp_path / "dump"
    path.write_bytes(data)
    with open_plain(path) as file, pytest.raises(Damaged):
        feed(Source(file), given.append, sha256=sha256(data), made=[], server=18)
    text = b"".join(given)
    assert text.rstrip().endswith(b"CREATE SCHEMA app;"), "what came before it, and nothing of it"
    assert harm not in text


def test_the_program_says_why_and_ends_with_whoever_reads_it(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-m", feeding.__name__, "--server=15", '--made=Of "an" extension']
    path = tmp_path / "dump.gz"
    path.write_bytes(gzip.compress(WHOLE))
    of = f"--sha256={sha256(path.read_bytes())}"
    with path.open("rb") as file:
        done = subprocess.run([*argv, of], stdin=file, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, fed(tmp_path, WHOLE))
    path.write_bytes(path.read_bytes()[:-6])
    with path.open("rb") as file:
        done = subprocess.run([*argv, of], stdin=file, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert COMMIT not in done.stdout
    assert done.stderr.decode().startswith("the dump is cut short")
    assert "nothing of it was committed" in done.stderr.decode()


def test_the_feeder_loads_only_what_it_needs() -> None:
    """It is started for each plain dump: with all of warroom's interface that took six times the processor time."""
    words = "import sys, warroom_postgres.restoring.feeding; print(*{'warroom.api', 'pydantic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-I", "-c", words], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == []
