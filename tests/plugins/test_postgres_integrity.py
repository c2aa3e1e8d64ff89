"""Damage of every kind, done to real servers, is found and told by table, number and keys, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.plugins.prisma_database import INTEGRITY, filled
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import Probed
from warroom_postgres.config import Config
from warroom_postgres.integrity.assess import Assess, AssessArgs
from warroom_postgres.integrity.probe import IntegrityArgs, IntegrityProbe

NAME = "env:DATABASE_URL"
Beside = psycopg.Connection[Any]
MORE = """
ALTER TABLE "Conversation" ADD CONSTRAINT "Conversation_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User";
CREATE TABLE "Message" (id serial PRIMARY KEY, "conversationId" text REFERENCES "Conversation", body text);
INSERT INTO "Message" ("conversationId", body) SELECT 'c' || n, 'Secret-words-' || n FROM generate_series(1, 20) n;
CREATE TABLE down (id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1 START -1) PRIMARY KEY);
INSERT INTO down SELECT FROM generate_series(1, 5);
CREATE TABLE never_used (id bigserial PRIMARY KEY);
CREATE TABLE "two {x} 100%s keys" (a int, b int, body text, PRIMARY KEY (a, b));
INSERT INTO "two {x} 100%s keys" VALUES (1, 1, 'Secret-words-1'), (1, 2, 'Secret-words-2'), (3, 3, 'Secret-words-3');
CREATE TABLE halves (id int PRIMARY KEY, a int, b int,
  FOREIGN KEY (a, b) REFERENCES "two {x} 100%s keys" MATCH FULL);
CREATE TABLE parted (id int, "user" text REFERENCES "User", PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted VALUES (1, 'u1'), (11, 'u2');
"""
WHOLE = (
    "looked at 7 rules, 4 foreign keys, 3 sequences, constraints and indexes by their marks; amcheck is not installed"
)


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[Beside]:
    door.secrets[NAME] = f"{database}?schema=public"
    with filled(database) as connection:
        connection.execute(MORE.encode())
        yield connection


@pytest.fixture(scope="module")
def shared(newest_postgres: PostgresServer) -> Iterator[tuple[str, Beside]]:
    """One whole database of the newest version: tests leave it so."""
    with newest_postgres.database() as url, filled(url) as beside:
        beside.execute(MORE.encode())
        yield url, beside


async def probed(door: Door, config: dict[str, Any] | None = None, **args: Any) -> Probed:
    ctx = door.context("database", Config, **(config or {}))
    return await IntegrityProbe().probe(ctx, IntegrityArgs.model_validate(args))


def damage(beside: Beside, statement: str) -> None:
    """As a restore with its triggers off, or a hand, does it: nothing holds the data together meanwhile."""
    for each in ("SET session_replication_role = replica", statement, "RESET session_replication_role"):
        beside.execute(each.encode())


LOST = """
DELETE FROM "User" WHERE id IN ('u3', 'u4', 'u5', 'u6');
DELETE FROM "Conversation" WHERE id = 'c9';
INSERT INTO halves VALUES (1, 1, 7), (2, 3, NULL), (3, NULL, NULL), (4, 1, 2);
INSERT INTO parted VALUES (2, 'gone'), (12, 'gone');
ALTER TABLE "Payment" ADD CONSTRAINT later FOREIGN KEY ("userId") REFERENCES "User" NOT VALID;
UPDATE "Payment" SET "userId" = 'nobody';
"""


async def test_a_foreign_key_that_nothing_holds_is_told_while_its_rows_are_well(
    door: Door, shared: tuple[str, Beside]
) -> None:
    door.secrets[NAME], beside = shared
    beside.execute('ALTER TABLE "Message" DISABLE TRIGGER ALL')
    try:
        found = await probed(door)
        assert found.verdict == "pass"
        words = "; all hold now, but nothing holds Message_conversationId_fkey of Message: its triggers are off"
        assert found.words.endswith(words), found
    finally:
        beside.execute('ALTER TABLE "Message" ENABLE TRIGGER ALL')
    assert (await probed(door)).words.endswith("; all hold")


async def test_rows_that_name_nothing_are_told_by_table_number_and_keys(door: Door, beside: Beside) -> None:
    """Of several columns, of partitions, and where the key was never validated. What is whole passes before."""
    found = await probed(door, {"integrity": INTEGRITY})
    assert (found.verdict, found.words[: len(WHOLE)]) == ("pass", WHOLE), found
    assert (found.numbers["looked_at"], found.numbers["broken"], found.numbers["unknown"]) == (14, 0, 0)
    damage(beside, LOST)
    if beside.info.server_version >= 180000:  # it is not meant to hold, and says so
        beside.execute('ALTER TABLE "Payment" ADD CONSTRAINT loose FOREIGN KEY (id) REFERENCES "User" NOT ENFORCED')
    found = await probed(door)
    assert "loose" not in found.words
    assert found.verdict == "fail", found
    for words in (
        "4 rows of Conversation name no User in userId (c3, c4, c5, …)",
        "1 row of Message names no Conversation in conversationId (9)",
        "2 rows of halves name no two {x} 100%s keys in a, b (1, 2)",
        "2 rows of parted name no User in user (12, 2)",
        "1 row of Payment names no User in userId (p1)",
        "later of Payment was never held against all rows",
    ):
        assert words in found.words, found.words
    assert found.numbers["foreign-key Conversation_userId_fkey of Conversation"] == 4
    assert "Secret-words" not in found.words


async def test_sequences_behind_their_columns(door: Door, shared: tuple[str, Beside]) -> None:
    """Up and down, called and not: the next number is what counts."""
    message = "1 sequence, Message_id_seq, is behind Message.id by "
    down = "1 sequence, down_id_seq, is behind down.id by "
    door.secrets[NAME], beside = shared
    for sequence, value, called, words in (
        ("Message_id_seq", 5, True, f"{message}15"),
        ("Message_id_seq", 20, False, f"{message}1:"),
        ("Message_id_seq", 21, False, ""),
        ("Message_id_seq", 20, True, ""),
        ("down_id_seq", -5, False, f"{down}1:"),
        ("down_id_seq", -2, True, f"{down}3"),
        ("down_id_seq", -6, False, ""),
    ):
        beside.execute("SELECT setval(quote_ident(%s)::regclass, %s, %s)", (sequence, value, called))
        found = await probed(door)
        assert (found.verdict, words in found.words) == ("fail" if words else "pass", True), found


async def test_what_was_never_made_to_its_end_is_told(door: Door, beside: Beside) -> None:
    """The index names what stands twice, the constraints are told by their marks, and what is known is accepted."""
    beside.execute("""INSERT INTO "User" VALUES ('twice', 'person1@example.com'), ('again', 'person1@example.com')""")
    with pytest.raises(psycopg.errors.UniqueViolation):
        beside.execute('CREATE UNIQUE INDEX CONCURRENTLY one_email ON "User" (email)')
    with pytest.raises(psycopg.errors.UniqueViolation):
        beside.execute('CREATE UNIQUE INDEX CONCURRENTLY one_lower ON "User" (lower(email))')
    beside.execute("""ALTER TABLE "User" ADD CONSTRAINT paying CHECK (tier <> 'free') NOT VALID""")
    beside.execute('ALTER TABLE "Message" DISABLE TRIGGER ALL')
    beside.execute("""INSERT INTO "Message" ("conversationId") VALUES ('nowhere')""")
    found = await probed(door)
    assert found.verdict == "fail"
    for words in (
        "1 value of email in several rows of User, which one_email was to forbid (",
        "one_email of User was not made to its end",
        "one_lower of User was not made to its end",
        "paying of User was never held against all rows",
        "1 row of Message names no Conversation in conversationId, and nothing holds it: its triggers are off (21)",
        "not looked at: one_lower of User: it is no index of columns as they are",
    ):
        assert words in found.words, found.words
    assert "person1" not in found.words
    known = ["one_email of User", "one_lower of User", "paying of User", "Message_conversationId_fkey of Message"]
    found = await probed(door, accept=known)
    assert (found.verdict, "one_lower of User" in found.words) == ("inconclusive", True), found
    beside.execute("DROP INDEX one_lower")
    assert (await probed(door, accept=known)).verdict == "pass"


async def test_rules_stand_in_the_runbook_and_are_held_with_those_of_the_signals(door: Door, beside: Beside) -> None:
    rules = {
        "users-without-email": {"kind": "nulls", "table": "User", "column": "email"},
        "conversations-without-user": {"kind": "nulls", "table": "Conversation", "column": "userId"},
        "own": {"kind": "sql", "sql": """SELECT count(*) FROM "User" WHERE tier = 'none'"""},
        "twice": {"kind": "duplicates", "table": "two {x} 100%s keys", "columns": ["a"]},
        "lost": {"kind": "orphans", "table": "Payment", "column": "userId", "parent": "User", "or_null": True},
    }
    beside.execute("""UPDATE "User" SET email = NULL WHERE id = 'u3'""")
    beside.execute("""UPDATE "Conversation" SET "userId" = NULL WHERE id IN ('c4', 'c5')""")
    beside.execute("""UPDATE "User" SET tier = 'none' WHERE id < 'u12'""")
    beside.execute("""UPDATE "Payment" SET "userId" = NULL""")
    config = {"integrity": {"it": {"counts": {"null-emails": rules["users-without-email"]}}}}
    found = await probed(door, config, rules=rules)
    for words in (
        "1 row of User has no email (u3)",
        "2 rows of Conversation have no userId (c4, c5)",
        "3 cases of own",
        "1 value of a in several rows of two {x} 100%s keys (1,2)",
        "1 row of Payment names no User in userId (p1)",
    ):
        assert words in found.words, found.words
    assert found.words.count("has no email") == 1, "two rules say the same, and it is told once"
    assert found.numbers["rule it.null-emails"] == found.numbers["rule users-without-email"] == 1


async def test_what_cannot_be_read_is_unknown_and_never_well(
    door: Door, beside: Beside, database: str, postgres: PostgresServer
) -> None:
    """A role that may not, row-level security, a table that somebody has locked, a time that is over."""
    role = f"looker_{beside.info.backend_pid}"
    beside.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'Password-of-the-looker-9'".encode())
    try:
        beside.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
        beside.execute(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}".encode())
        door.secrets[NAME] = postgres.url(database.rpartition("/")[2], role, "Password-of-the-looker-9")
        assert (await probed(door)).verdict == "pass"
        beside.execute(f'REVOKE SELECT ON "Message" FROM {role}'.encode())
        beside.execute("ALTER TABLE parted ENABLE ROW LEVEL SECURITY")
        found = await probed(door)
        assert found.verdict == "inconclusive", found
        assert found.numbers["unknown"] == 3
        assert "Message_conversationId_fkey of Message: " in found.words
        assert "permission denied" in found.words
        assert "parted_user_fkey of parted: row-level security hides rows of it from this role" in found.words
    finally:
        await door.stores.close()
        beside.execute(f"DROP OWNED BY {role}".encode())
        beside.execute(f"DROP ROLE {role}".encode())
    door.secrets[NAME] = database
    with psycopg.connect(database) as holder:
        holder.execute('LOCK TABLE "Message" IN ACCESS EXCLUSIVE MODE')
        found = await probed(door, each="0.5s")
        assert found.verdict == "inconclusive", found
        for name in ("Message_conversationId_fkey of Message", "Message_id_seq of Message.id"):
            assert f"{name}: " in found.words
        assert "it took longer than it may" in found.words
    door.secrets[NAME] = postgres.url("no_such_database")
    assert (await probed(door)).verdict == "inconclusive"


async def test_when_the_time_is_over_nothing_more_is_asked(door: Door, shared: tuple[str, Beside]) -> None:
    door.secrets[NAME], beside = shared
    slow = {"kind": "sql", "sql": "SELECT count(*) FROM generate_series(1, 100000000000)"}
    asked = len(door.shown)
    found = await probed(door, within="2s", rules={"slow": slow, "more": slow})
    assert found.verdict == "inconclusive"
    assert "the 2 s for all of it were over" in found.words
    assert sum("generate_series" in line for line in door.shown[asked:]) < 2
    beside.execute("ANALYZE")
    found = await probed(door, largest=10)
    assert found.verdict == "inconclusive"
    assert "0 rows are too many to be read for this" in found.words


async def test_another_database_of_the_server_is_looked_at_by_its_name(
    door: Door, newest_postgres: PostgresServer, shared: tuple[str, Beside]
) -> None:
    door.secrets[NAME], beside = newest_postgres.url("postgres"), shared[1]
    damage(beside, """DELETE FROM "Conversation" WHERE id = 'c9'""")
    assert (await probed(door)).verdict == "pass"
    found = await probed(door, database=beside.info.dbname)
    assert "1 row of Message names no Conversation" in found.words
    beside.execute("""INSERT INTO "Conversation" VALUES ('c9', 'u9')""")


HIJACKING = """
CREATE FUNCTION hijack(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION hijack(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = hijack);
CREATE FUNCTION hijack_json(jsonb, jsonb) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR ->> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = hijack_json);
CREATE FUNCTION row_security_active(bigint) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE TYPE kind AS ENUM ('a', 'b');
CREATE FUNCTION said(kind) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE CAST (kind AS text) WITH FUNCTION said(kind) AS ASSIGNMENT;
CREATE DOMAIN code AS varchar(9);
CREATE TABLE parent (id varchar PRIMARY KEY, of kind UNIQUE, code code UNIQUE);
CREATE TABLE child (id varchar PRIMARY KEY, parent varchar REFERENCES parent, of kind REFERENCES parent (of),
  code code REFERENCES parent (code));
INSERT INTO parent VALUES ('x', 'a', 'c');
INSERT INTO child VALUES ('y', 'x', 'a', 'c');
"""


async def test_nobodys_functions_and_operators_are_called_by_who_looks(
    door: Door, newest_postgres: PostgresServer
) -> None:
    """They fit better than the server's own, and whoever looks is a superuser here."""
    with newest_postgres.database() as url, filled(url) as beside:
        door.secrets[NAME] = f"{url}?schema=public"
        beside.execute(HIJACKING.encode())
        with pytest.raises(psycopg.errors.RaiseException, match="hijacked"):
            beside.execute("SELECT FROM child c JOIN parent p ON c.parent = p.id")
        rules = {
            "a": {"kind": "orphans", "table": "child", "column": "parent", "parent": "parent"},
            "b": {"kind": "orphans", "table": "child", "column": "of", "parent": "parent", "key": "of"},
            "c": {"kind": "duplicates", "table": "child", "columns": ["of"]},
        }
        found = await probed(door, rules=rules)
        assert found.verdict == "pass", found
        damage(beside, "DELETE FROM parent")
        found = await probed(door, rules=rules)
        assert found.words.count("1 row of child names no parent in ") == 3, found
        await door.stores.close()


OPERATORS = """
CREATE FUNCTION ordered(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($1, $2)';
CREATE OPERATOR CLASS by_turns FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=,
  OPERATOR 5 >, FUNCTION 1 ordered(int, int);
CREATE TABLE indexed AS SELECT n AS id FROM generate_series(1, 500) n;
CREATE INDEX turned ON indexed (id by_turns);
CREATE SCHEMA "Tools";
CREATE EXTENSION citext SCHEMA "Tools";
CREATE TABLE tenant (name "Tools".citext PRIMARY KEY);
CREATE TABLE member (id int PRIMARY KEY, tenant "Tools".citext REFERENCES tenant);
INSERT INTO tenant VALUES ('Acme');
INSERT INTO member VALUES (1, 'ACME'), (2, 'acme');
"""


OTHERWISE = """CREATE OR REPLACE FUNCTION ordered(int, int) RETURNS int LANGUAGE sql IMMUTABLE
  AS 'SELECT btint4cmp($2, $1)'"""


@pytest.mark.needs("userns", "postgres")
async def test_a_damaged_index_is_found_page_by_page_where_the_server_can(
    door: Door, system_postgres: PostgresServer
) -> None:
    """What an index is sorted by changes under it, as it does with a new version of a collation.

    Types of extensions are compared as these say, so that no row is lost by its capitals.
    """
    with system_postgres.database() as url, filled(url) as beside:
        door.secrets[NAME] = url
        beside.execute((MORE + OPERATORS).encode())
        assert "amcheck is not installed" in (await probed(door)).words
        beside.execute('CREATE EXTENSION amcheck SCHEMA "Tools"')
        same = {"kind": "orphans", "table": "member", "column": "tenant", "parent": "tenant", "key": "name"}
        found = await probed(door, rules={"same": same})
        assert (found.verdict, "14 indexes read by amcheck" in found.words) == ("pass", True), found
        beside.execute(OTHERWISE.encode())
        found = await probed(door)
        assert (found.verdict, "turned of indexed is damaged" in found.words) == ("fail", True), found
        assert "amcheck was not asked for" in (await probed(door, indexes="off")).words
        assert (await probed(door, indexes="heap")).verdict == "fail"
        beside.execute("CREATE ROLE looker_of_pages LOGIN PASSWORD 'Password-of-the-looker-9' IN ROLE pg_read_all_data")
        try:
            door.secrets[NAME] = system_postgres.url(beside.info.dbname, "looker_of_pages", "Password-of-the-looker-9")
            found = await probed(door)
            assert (found.verdict, "this role may not use amcheck" in found.words) == ("pass", True), found
        finally:
            await door.stores.close()
            beside.execute("DROP ROLE looker_of_pages")


async def test_damage_is_assessed_once_for_a_plan_whatever_is_found(
    door: Door, newest_postgres: PostgresServer, shared: tuple[str, Beside]
) -> None:
    door.secrets[NAME], beside = shared
    damage(beside, """DELETE FROM "Conversation" WHERE id = 'c9'""")
    ctx, args = door.context("database", Config), AssessArgs()
    facts = await Assess().facts(ctx, args)
    assert "1 row of Message" in (await Assess().check(ctx, args, facts)).outputs["words"]
    assert Assess().preview(ctx.config, args, facts).tells
    beside.execute("""INSERT INTO "Conversation" VALUES ('c9', 'u9')""")
    look = await Assess().check(ctx, args, facts)
    assert (look.verdict, look.outputs["broken"], "all hold" in look.seen) == ("done", "0", True), look
    door.secrets[NAME] = newest_postgres.url("no_such_database")
    assert (await Assess().check(ctx, args, facts)).verdict == "cannot-tell"
