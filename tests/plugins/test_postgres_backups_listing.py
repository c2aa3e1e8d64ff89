"""The backups of a real database: which are good, which are from before the damage, and what being ready says."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.postgres_dumps import dump
from tests.plugins.prisma_database import filled
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import Context, Ready, WarroomError
from warroom_postgres import plugin
from warroom_postgres.backups import listing as listings
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.backups import readiness
from warroom_postgres.backups.finding import search
from warroom_postgres.backups.listing import Backup, Listing, chosen, listing
from warroom_postgres.backups.manifest import Manifest
from warroom_postgres.config import Config

NAME = "env:DATABASE_URL"


@dataclass
class Place:
    """A folder of backups beside a database that has some."""

    folder: Path
    ctx: Context
    connection: psycopg.Connection[Any]
    server: PostgresServer
    url: str

    def make(self, name: str, *, manifest: bool = True, at: datetime | None = None, **other: object) -> Path:
        path = dump(self.server, self.url, self.folder / name, "-Fc")
        if manifest:
            made = at or datetime.now(UTC) - timedelta(seconds=1)
            digest, size = manifests.hash_file(path)
            system = self.connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
            told: dict[str, object] = {"file": name, "format": "custom", "compression": "gzip", "sha256": digest}
            told |= {"bytes": size, "pg_dump_version": "x", "server_version": "x", "snapshot_at": made}
            told |= {"system_identifier": system and system[0], "database": self.connection.info.dbname}
            manifests.write(Manifest.model_validate({**told, "finished_at": made, **other}), path)
        if at is not None:
            os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    async def list(self, **more: Any) -> Listing:
        assert self.ctx.config.backups is not None
        return await listing(self.ctx, self.ctx.config.backups, **more)

    async def only(self) -> Backup:
        (backup,) = (await self.list()).backups
        return backup

    async def row(self) -> Ready:
        assert plugin.readiness is not None
        return {row.id: row for row in await plugin.readiness.ready(self.ctx)}["postgres-backup"]


@pytest.fixture
def place(door: Door, database: str, postgres: PostgresServer, tmp_path: Path) -> Iterator[Place]:
    door.secrets[NAME] = database
    folder = tmp_path / "backups"
    folder.mkdir()
    ctx = door.context("database", Config, backups={"folders": [str(folder)], "max_age": "26h"})
    with filled(database) as connection:
        yield Place(folder, ctx, connection, postgres, database)


async def test_backups_are_listed_with_age_size_and_verdict_against_the_damage(place: Place) -> None:
    now = datetime.now(UTC)
    place.make("ai_saas_old.dump", at=now - timedelta(hours=50))
    place.make("ai_saas_before.dump", at=now - timedelta(hours=3))
    place.make("ai_saas_after.dump", at=now - timedelta(hours=1))
    cut = place.make("ai_saas_cut.dump", at=now - timedelta(minutes=30))
    cut.write_bytes(cut.read_bytes()[:-100])
    place.make("ai_saas_bare.dump", manifest=False)
    place.connection.execute(
        """INSERT INTO "_prisma_migrations" VALUES ('m2', 'x', NULL, '2026_half', 'ERROR', NULL, %s, 0)""",
        (now - timedelta(hours=2),),
    )
    told = await place.list(deploy=now - timedelta(hours=2, minutes=5))
    by = {backup.name: backup for backup in told.backups}
    assert {name: backup.verdict for name, backup in by.items()} == {
        "ai_saas_old.dump": "good",
        "ai_saas_before.dump": "good",
        "ai_saas_after.dump": "good",
        "ai_saas_cut.dump": "refused",
        "ai_saas_bare.dump": "scratch-only",
    }
    assert by["ai_saas_before.dump"].before == {"deploy": "before", "migration": "before"}
    assert by["ai_saas_after.dump"].before == {"deploy": "after", "migration": "after"}
    assert by["ai_saas_bare.dump"].before == {"deploy": "unclear", "migration": "unclear"}
    assert [backup.name for backup in told.candidates] == ["ai_saas_before.dump", "ai_saas_old.dump"]
    assert {(row.name, row.rows) for row in by["ai_saas_before.dump"].rows} >= {("User", 20), ("Payment", 1)}
    line = by["ai_saas_before.dump"].line(now)
    assert line.startswith("ai_saas_before.dump: 3 h old, ")
    assert line.endswith("kB, good, before the deploy, before the failed migration")
    assert "refused" in by["ai_saas_cut.dump"].line(now)
    assert "is cut short" in by["ai_saas_cut.dump"].line(now)
    assert Listing.model_validate_json(told.model_dump_json()) == told


async def test_one_that_a_person_named_must_be_in_the_folders(place: Place, tmp_path: Path) -> None:
    path = place.make("a.dump")
    config = place.ctx.config.backups
    backup = await chosen(place.ctx, config, path)
    assert (backup.verdict, backup.sha256) == ("good", manifests.hash_file(path)[0])
    other = tmp_path / "elsewhere.dump"
    other.write_bytes(path.read_bytes())
    for wrong in (other, place.folder / ".." / "elsewhere.dump", place.folder / "none.dump"):
        with pytest.raises(WarroomError, match=r"not in a folder of backups|is no dump"):
            await chosen(place.ctx, config, wrong)


async def test_a_dump_of_another_database_server_or_kind_is_not_good(place: Place, postgres: PostgresServer) -> None:
    path = place.make("a.dump", database="other_db")
    assert (await place.only()).reasons == (f"is of another database: other_db, not {place.connection.info.dbname}",)
    path.unlink()
    path = place.make("a.dump", system_identifier="7")
    assert (await place.only()).verdict == "scratch-only"
    assert "is from another server: 7, not " in (await place.only()).reasons[0]
    path.unlink()
    path = place.make("a.dump", label="forensic")
    assert (await place.only()).reasons == ("is labelled forensic: it was made of the damaged data, to be looked at",)
    manifests.beside(path).write_text('{"version": 1}')
    assert "has a manifest that can't be used" in (await place.only()).reasons[0]
    with postgres.database() as elsewhere:
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute("CREATE TABLE things AS SELECT 1 AS a")
        dump(postgres, elsewhere, path, "-Fp")
    manifests.beside(path).unlink()
    assert (await place.only()).reasons == ("is of another database: none of its tables (things) is in this one",)
    dump(postgres, place.url, path, "-Fc", "--schema-only")
    assert "holds no rows at all" in (await place.only()).reasons[0]


async def test_a_database_that_gives_no_answer_can_not_vouch_for_where_a_dump_is_from(place: Place, door: Door) -> None:
    place.make("a.dump")
    assert (await place.only()).verdict == "good"
    await door.stores.close()
    door.secrets[NAME] = "postgresql://owner@127.0.0.1:1/none"
    backup = await place.only()
    assert backup.verdict == "scratch-only"
    assert "may be of another server" in backup.reasons[0]
    assert (await place.row()).status == "not-ready"


async def test_being_ready_is_the_newest_good_one_and_its_age(place: Place) -> None:
    row = await place.row()
    assert (row.status, row.words) == ("not-ready", f"there is none in {place.folder}")
    now = datetime.now(UTC)
    place.make("a.dump", at=now - timedelta(hours=3, minutes=5))
    row = await place.row()
    assert row.status == "ready"
    assert row.words.startswith("a.dump, 3 h old, ")
    assert row.words.endswith("rows in 4 tables")
    newer = place.make("b.dump", manifest=False)
    assert "1 newer one is not good: b.dump has no manifest" in (await place.row()).words
    newer.unlink()
    place.make("a.dump", at=now - timedelta(hours=30))
    row = await place.row()
    assert row.status == "not-ready"
    assert row.words.startswith("the newest good one is older than 26 h: a.dump, 1 day old")
    manifests.beside(place.folder / "a.dump").unlink()
    row = await place.row()
    assert row.words.startswith("none of 1 backup is good; a.dump: ")


async def test_a_large_one_is_read_meanwhile_and_said_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.make("a.dump")
    go, really = threading.Event(), listings.VERIFIER._keep
    monkeypatch.setattr(listings.VERIFIER, "_keep", lambda found, seen: (go.wait(60), really(found, seen))[1])
    monkeypatch.setattr(readiness, "PATIENCE", 3.0)
    row = await place.row()
    assert row.status == "unknown"
    assert "a.dump (" in row.words
    go.set()
    until = time.monotonic() + 60
    while (await place.row()).status != "ready":
        assert time.monotonic() < until


async def test_a_disk_that_does_not_answer_holds_nothing_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(listings, "search", lambda config: (go.wait(60), search(config))[1])
    monkeypatch.setattr(readiness, "PATIENCE", 0.05)
    row = await place.row()
    go.set()
    assert row.status == "unknown"
    assert row.words == f"{place.folder} took longer than 0.05 s to be looked through"


async def test_what_was_read_once_is_read_again_only_when_it_changed(place: Place, door: Door) -> None:
    path = place.make("a.dump")
    assert (await place.list(through=False)).backups[0].verdict is None
    assert (await place.only()).verdict == "good"
    assert (await place.list(through=False)).backups[0].verdict == "good"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert (await place.list(through=False)).backups[0].verdict is None
    assert (await place.only()).verdict == "refused"
    assert any(line.startswith(f"sha256sum {path}") for line in door.shown)
