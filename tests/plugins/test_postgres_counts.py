"""Rows are counted against what a table must have: by the backup that was swapped in, or by the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.prisma_database import filled
from tests.plugins.test_postgres_restore import vouched
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import Context, Probed
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.backups.listing import listing
from warroom_postgres.config import Config
from warroom_postgres.integrity.counts import Counted, CountsArgs, CountsProbe, judged
from warroom_postgres.integrity.reference import Reference
from warroom_postgres.naming import Mark, literal, quoted

pytestmark = pytest.mark.needs("userns")
NAME = "env:DATABASE_URL"
MORE = """
CREATE TABLE "Message" (id serial PRIMARY KEY, "createdAt" timestamp(3) NOT NULL, body text);
INSERT INTO "Message" ("createdAt", body) SELECT (now() AT TIME ZONE 'UTC') - interval '2 h' - n * interval '1 min', 'x'
  FROM generate_series(1, 50) n;
CREATE TABLE no_key (a int);
INSERT INTO no_key SELECT generate_series(1, 5);
"""
UTC_NOW = "now() AT TIME ZONE 'UTC'"
ROWS = {"User": 20, "Conversation": 20, "Payment": 1, "Message": 50, "no_key": 5, "_prisma_migrations": 1}


@dataclass
class Shop:
    """A live database, and a backup of it as it was an hour ago. ``ctx`` knows of no evidence."""

    beside: psycopg.Connection[Any]
    ctx: Context
    backup: Path
    folder: Path

    def mark(self, what: str, at: datetime, **more: Any) -> str:
        """The one database beside the live one, empty, says this of itself from now on: its name."""
        told = {"is": what, "of": self.beside.info.dbname, "state": "kept", "id": "ab12cd34", "at": at, **more}
        name = f"{self.beside.info.dbname}~beside"
        if not self.beside.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchall():
            self.beside.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0 STRATEGY file_copy".encode())
        comment = literal(Mark.model_validate(told).comment())
        self.beside.execute(f"COMMENT ON DATABASE {quoted(name)} IS {comment}".encode())
        return name

    @property
    def archive(self) -> str:
        return manifests.hash_file(self.backup)[0]

    async def counted(self, **args: Any) -> Probed:
        return await CountsProbe().probe(self.ctx, CountsArgs.model_validate(args))


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def held(kept: Path, at: datetime, **more: Any) -> None:
    """Says in a dump's manifest when its data was as it is in it."""
    told = manifests.read(kept)
    assert told is not None
    manifests.beside(kept).unlink()
    manifests.write(told.model_copy(update={"snapshot_at": at, **more}), kept)


@pytest.fixture
def shop(door: Door, newest_postgres: PostgresServer, tmp_path: Path) -> Iterator[Shop]:
    with newest_postgres.database() as url, filled(url) as beside:
        door.secrets[NAME] = url
        beside.execute(MORE.encode())
        kept = vouched(newest_postgres, url, tmp_path / "a.dump", {("public", name): n for name, n in ROWS.items()})
        held(kept, ago(60))
        ctx = door.context("database", Config, backups={"folders": [str(tmp_path)]})
        try:
            yield Shop(beside, ctx, kept, tmp_path)
        finally:
            name = quoted(f"{beside.info.dbname}~beside")
            beside.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@contextmanager
def evidence(shop: Shop, at: datetime, **more: Any) -> Iterator[Shop]:
    """As the collector seals it, in a folder of its own."""
    folder = shop.folder / "database.dump"
    folder.mkdir()
    dump = folder / "database.dump"
    dump.write_bytes(shop.backup.read_bytes())
    told = manifests.read(shop.backup)
    assert told is not None
    manifests.write(told.model_copy(update={"file": dump.name, "label": "forensic"}), dump)
    held(dump, at, **more)
    yield replace(shop, ctx=replace(shop.ctx, evidence=lambda name: folder if name == "dump" else None))


async def test_after_a_swap_it_is_what_the_backup_held_and_what_came_since(shop: Shop) -> None:
    shop.mark("before", ago(20), archive=shop.archive)
    found = await shop.counted()
    assert found.verdict == "pass", found
    assert found.words.startswith("6 tables: the 97 rows held and no others; counted against the backup a.dump of ")
    assert ", put in place at " in found.words
    assert "the loss that was accepted is what was written between " in found.words
    assert {name: found.numbers[f"public.{name}"] for name in ROWS} == ROWS
    assert found.numbers["reference"] == "backup"
    shop.beside.execute(
        """INSERT INTO "Message" ("createdAt") SELECT now() AT TIME ZONE 'UTC' FROM generate_series(1, 3)"""
    )
    shop.beside.execute("""INSERT INTO "User" VALUES ('new', 'new@example.com')""")
    found = await shop.counted()
    assert found.verdict == "pass", found
    assert "the 97 rows held and 4 that came since (Message 3 and User 1)" in found.words
    shop.mark("before", datetime.now(UTC) + timedelta(seconds=10), archive=shop.archive)
    assert (await shop.counted(clocks="10m")).verdict == "pass", "clocks may be that far from each other"
    found = await shop.counted(clocks="0s")
    assert (found.verdict, "Message has 3 rows too many" in found.words) == ("fail", True), found


NEW = f"""INSERT INTO "Message" ("createdAt") SELECT {UTC_NOW}"""
CHANGES = (
    (
        """DELETE FROM "Payment" """,
        """INSERT INTO "Payment" VALUES ('p1', 'evt_1', 'u1', 'succeeded')""",
        ("fail", "Payment has 0 rows, 1 row too few: it held 1"),
    ),
    (
        f"{NEW} - interval '40 min' FROM generate_series(1, 7)",
        """DELETE FROM "Message" WHERE id > 50""",
        ("fail", "Message has 7 rows too many, which did not come since"),
    ),
    (
        "INSERT INTO no_key SELECT a FROM no_key",
        "TRUNCATE no_key; INSERT INTO no_key SELECT generate_series(1, 5)",
        ("inconclusive", "no_key has 5 rows more than it held, and neither"),
    ),
    ("CREATE TABLE fresh (a int)", "DROP TABLE fresh", ("pass", "not in it: public.fresh")),
    (
        "ALTER TABLE no_key RENAME TO other",
        "ALTER TABLE other RENAME TO no_key",
        ("fail", "the table no_key is gone, with 5 rows"),
    ),
    (
        f"""DELETE FROM "Message" WHERE id < 4; {NEW} + interval '1 min' FROM generate_series(1, 9)""",
        "",
        ("fail", "Message has 56 rows, 3 rows too few: it held 50 and 9 rows came since"),
    ),
)


async def test_rows_too_few_or_too_many_are_told(shop: Shop) -> None:
    """Those of the loss that was accepted are too many: they were never in the backup."""
    shop.mark("before", ago(20), archive=shop.archive)
    for change, undo, (verdict, words) in CHANGES:
        shop.beside.execute(change.encode())
        found = await shop.counted()
        assert (found.verdict, words in found.words) == (verdict, True), found
        if undo:
            shop.beside.execute(undo.encode())
            assert (await shop.counted()).verdict == "pass"
    assert (await shop.counted(shrinks=["Message"])).verdict == "pass", "the application takes rows from it itself"
    assert (await shop.counted(shrinks=["public.Message"])).verdict == "pass"


async def test_before_any_swap_it_is_what_the_evidence_counted(shop: Shop) -> None:
    with evidence(shop, ago(5)) as known:
        found = await known.counted()
        assert found.verdict == "pass", found
        assert "counted against the evidence of " in found.words
        assert found.numbers["reference"] == "evidence"
        shop.beside.execute("""DELETE FROM "User" WHERE id = 'u7'""")
        found = await known.counted()
        assert (found.verdict, "User has 19 rows, 1 row too few" in found.words) == ("fail", True)
        shop.mark("before", ago(2), archive=shop.archive)
        assert (await known.counted()).numbers["reference"] == "backup", "it came after the evidence"


async def test_a_swap_from_before_the_evidence_or_long_ago_is_none_to_count_against(shop: Shop) -> None:
    shop.mark("before", ago(2 * 24 * 60), archive=shop.archive)
    found = await shop.counted()
    assert (found.verdict, "there is nothing to count against" in found.words) == ("inconclusive", True)
    assert (await shop.counted(since="72h")).numbers["reference"] == "backup"
    with evidence(shop, ago(5)) as known:
        assert (await known.counted(since="72h")).numbers["reference"] == "evidence"


async def test_without_the_backups_own_counts_nothing_is_said(shop: Shop) -> None:
    for archive, words in (
        ("sha256:" + "0" * 64, "the backup 000000000000 that was restored lies in none of the folders"),
        ("", "was no backup that had been restored"),
    ):
        shop.mark("before", ago(20), archive=archive)
        found = await shop.counted()
        assert (found.verdict, words in found.words) == ("inconclusive", True), found


async def test_evidence_of_another_database_or_without_counts_is_none_to_count_against(shop: Shop) -> None:
    with evidence(shop, ago(5), database="another") as known:
        found = await known.counted()
        assert (found.verdict, "the evidence is of another database" in found.words) == ("inconclusive", True)
    for each in (shop.folder / "database.dump").iterdir():
        each.unlink()
    ctx = replace(shop.ctx, evidence=lambda _: shop.folder / "database.dump")
    assert (await replace(shop, ctx=ctx).counted()).verdict == "inconclusive"


async def test_one_that_was_restored_beside_must_have_what_its_dump_had(shop: Shop) -> None:
    """All are compared with what was counted, and nobody writes to it: not even one row may have come."""
    name = shop.mark("scratch", ago(1), state="restored", archive=shop.archive)
    found = await shop.counted(database=name)
    assert (found.verdict, "the table Message is gone, with 50 rows" in found.words) == ("fail", True)
    with psycopg.connect(
        host=shop.beside.info.host,
        port=shop.beside.info.port,
        user="owner",
        dbname=name,
        password=shop.beside.info.password,
        autocommit=True,
    ) as other:
        other.execute("""CREATE TABLE "User" (id text PRIMARY KEY); INSERT INTO "User" SELECT generate_series(1, 21)""")
    found = await shop.counted(database=name)
    assert "User has 1 row too many, which did not come since" in found.words
    other_name = shop.beside.info.dbname
    assert (await shop.counted(database=other_name)).verdict == "inconclusive"


AGAINST = Reference("evidence", {}, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), "the evidence")


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (Counted("public", "a", 5, 5), "pass", "1 table: the 5 rows held and no others"),
        (Counted("public", "a", 5, words="no"), "inconclusive", "a could not be counted: no"),
        (Counted("app", "a", 0), "fail", "the table app.a is gone, with 0 rows"),
        (Counted("public", "a", 5, 6), "inconclusive", "a has 1 row more than it held"),
        (Counted("public", "a", 5, 6, keyed=True), "pass", "1 that came since (a 1)"),
        (Counted("public", "a", 5, 6, keyed=True), "pass", "of a only how many there are is known"),
        (Counted("public", "a", 5, 7, (0, 2)), "pass", "2 that came since"),
        (Counted("public", "a", 5, 7, (2, 2)), "pass", "2 that came since"),
        (Counted("public", "a", 5, 7, (3, 3)), "fail", "1 row too few: it held 5 and 3 rows came since"),
        (Counted("public", "a", 5, 7, (0, 1)), "fail", "1 row too many"),
    ],
)
def test_what_is_said_of_one_table(found: Counted, verdict: str, words: str) -> None:
    said = judged(AGAINST, [found], [], [])
    assert (said.verdict, words in said.words) == (verdict, True), said


def test_the_loss_of_a_backup_whose_moment_is_not_known_begins_about_the_earliest() -> None:
    began, swapped = datetime(2026, 1, 2, 16, 28, 5, tzinfo=UTC), datetime(2026, 1, 2, 17, 39, 51, tzinfo=UTC)
    against = Reference("backup", {}, began, swapped, "the backup a.dump", about=True)
    said = judged(against, [Counted("public", "User", 1, 1, (0, 0))], [], [])
    assert "is what was written between about 2026-01-02 16:28:05 and 2026-01-02 17:39:51" in said.words
    said = judged(replace(against, about=False), [Counted("public", "User", 1, 1, (0, 0))], [], [])
    assert "written between 2026-01-02 16:28:05 and" in said.words


async def test_a_damaged_copy_with_the_manifest_of_what_was_restored_is_not_named(shop: Shop) -> None:
    copy = shop.folder / "b.dump"
    copy.write_bytes(shop.backup.read_bytes()[:-9])
    manifests.beside(copy).write_bytes(manifests.beside(shop.backup).read_bytes())
    assert shop.ctx.config.backups is not None
    listed = [backup.name for backup in (await listing(shop.ctx, shop.ctx.config.backups)).backups]
    assert listed == ["b.dump", "a.dump"]
    shop.mark("before", datetime.now(UTC), archive=shop.archive)
    assert "counted against the backup a.dump of " in (await shop.counted()).words


async def test_a_backup_that_nothing_vouches_for_tells_what_its_time_rests_on(shop: Shop) -> None:
    archive = shop.archive
    manifests.beside(shop.backup).unlink()
    assert shop.ctx.config.backups is not None
    (backup,) = (await listing(shop.ctx, shop.ctx.config.backups)).backups
    shop.mark("before", datetime.now(UTC), archive=archive)
    found = await shop.counted()
    assert f"the backup a.dump of {backup.made.words}, put in place at " in found.words
    assert "by its own header" in backup.made.words
    assert f"written between about {backup.made.earliest:%Y-%m-%d %H:%M:%S} and " in found.words
