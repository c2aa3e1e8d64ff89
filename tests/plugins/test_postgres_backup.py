"""``warroom backup`` on a real server: what it makes is vouched for and can be put back, and every way of failing."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest

from tests.journals import flip
from tests.plugins.postgres_swaps import planned
from tests.plugins.prisma_database import filled
from tests.plugins.test_postgres_restore import execute, previewed
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom import cli
from warroom.cli import backup as command
from warroom.runbook import load
from warroom_postgres.backups import manifest
from warroom_postgres.backups.listing import listing
from warroom_postgres.config import Config
from warroom_postgres.dumping.backup import named
from warroom_postgres.naming import marked

RUNBOOK = "extends: default\nformat: 1\nservice: shop\nenvironment: {{kind: production}}\nplatforms: {}\n"
pytestmark = pytest.mark.needs("userns")
Said = tuple[int, str, str]


@dataclass
class Shop:
    """A database with rows, a runbook that names it, and ``run``: ``warroom backup`` with these words."""

    folder: Path
    url: str
    connection: psycopg.Connection[Any]
    run: Callable[..., Said]
    config: dict[str, Any]

    def write(self, **config: Any) -> None:
        platforms = {"database": {"plugin": "postgres", "config": {**self.config, **config}}}
        Path("warroom.yaml").write_text(RUNBOOK.format(json.dumps(platforms)))

    def refused(self, *words: str) -> str:
        """What standard error says of it, with nothing left behind."""
        before = sorted(os.listdir(self.folder))
        status, out, err = self.run(*words)
        assert (status, out) == (1, "")
        assert sorted(os.listdir(self.folder)) == before
        return err


@pytest.fixture
def shop(
    newest_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    folder = tmp_path / "backups"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARROOM_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["warroom", "backup", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    with newest_postgres.database() as url, filled(url) as connection:
        monkeypatch.setenv("DATABASE_URL", f"{url}?schema=public")
        config = {"backups": {"folders": [str(folder)]}, "tools": str(newest_postgres.programs)}
        shop = Shop(folder, url, connection, run, config)
        shop.write()
        yield shop


async def test_a_backup_is_good_and_is_restored_without_a_doubt(shop: Shop, door: Door, tmp_path: Path) -> None:
    name, made = await command.back_up(load(Path("warroom.yaml")).runbook, None, None)
    assert (name, made.rows, made.path.parent) == ("database", 42, shop.folder)
    assert made.path.name == named(shop.connection.info.dbname, made.at)
    beside = manifest.beside(made.path)
    assert sorted(shop.folder.iterdir()) == [made.path, beside]
    assert {stat.S_IMODE(path.stat().st_mode) for path in shop.folder.iterdir()} == {0o600}
    assert PASSWORD not in beside.read_text()
    assert not (tmp_path / "state").exists()
    door.secrets["env:DATABASE_URL"] = f"{shop.url}?schema=public"
    ctx = door.context("database", Config, **shop.config)
    (backup,) = (await listing(ctx, ctx.config.backups)).backups
    assert (backup.verdict, backup.reasons, backup.notes) == ("good", (), ())
    assert (backup.made.latest, backup.made.doubt) == (made.at, "")
    _, restore = await previewed(ctx, made.path)
    results = await execute(door, *restore.calls)
    try:
        assert [result.status for result in results] == [0] * len(restore.calls), results[-1].text
        comments = "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
        marks = [mark for (text,) in shop.connection.execute(comments).fetchall() if (mark := marked(text))]
        told = [mark for mark in marks if mark.of == shop.connection.info.dbname]
        assert [(mark.state, mark.doubt) for mark in told] == [("restored", "")]
        _, swap = await planned(door, **shop.config)
        assert swap.unproven == ""
    finally:
        assert restore.inverse is not None
        await execute(door, *restore.inverse)
    flip(made.path, made.path.stat().st_size // 2)
    (broken,) = (await listing(ctx, ctx.config.backups)).backups
    assert broken.verdict == "refused"


def test_the_command_says_in_one_line_what_it_made(shop: Shop, tmp_path: Path) -> None:
    status, out, err = shop.run("-f", "warroom.yaml", "database")
    assert (status, err, out.count("\n")) == (0, "", 1)
    (dump,) = shop.folder.glob("*.dump")
    assert out.startswith(f"{dump}: ")
    assert ", 42 rows, " in out
    there = tmp_path / "there"
    there.mkdir()
    status, out, err = shop.run("--json", "--to", "there")
    told = json.loads(out)
    assert (status, err, told["platform"], told["rows"]) == (0, "", "database", 42)
    assert Path(told["path"]).parent == there
    assert Path(told["path"]).stat().st_size == told["bytes"]


def full(_: object) -> bytes:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_goes_wrong_is_said_and_nothing_is_left(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nowhere is no folder" in shop.refused("--to", "nowhere")
    assert "The runbook has no platform cache\n  it has database\n  name one: database" in shop.refused("cache")
    shop.write(backups={"folders": [str(shop.folder)], "names": ["nightly_*"]})
    assert "is not called like nightly_*" in shop.refused()
    shop.write(backups={"folders": [str(shop.folder)], "database": "shop_live"})
    assert "backups are of shop_live" in shop.refused()
    shop.write(backups=None)
    assert "names no folder for backups" in shop.refused()
    old = tmp_path / "old"
    old.mkdir()
    for program in ("pg_dump", "pg_restore", "psql"):
        (old / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) 13.4'\n")
        (old / program).chmod(0o755)
    shop.write(tools=str(old))
    assert "There is no pg_dump for PostgreSQL" in shop.refused()
    shop.write(url="env:NOT_SET_HERE")
    assert "the secret env:NOT_SET_HERE is not set" in shop.refused()
    shop.write()
    assert "can't be written" in shop.refused("--to", "/proc")
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "encoded", full)
        assert "manifest.json could not be written\n  No space left on device" in shop.refused()
    with monkeypatch.context() as patch:
        patch.setattr("warroom_postgres.dumping.collector.shutil.disk_usage", lambda _: Mock(free=1000))
        assert "There is no room for a dump: 1.0 kB are free" in shop.refused()
    monkeypatch.setenv("DATABASE_URL", f"{shop.url}?pgbouncer=true")
    assert "is a connection pooler\n  dumps, restores" in shop.refused()
    monkeypatch.setenv("DATABASE_URL", shop.url)
    shop.connection.execute('TRUNCATE "User", "Conversation", "Payment", "_prisma_migrations"')
    assert "There is nothing to back up" in shop.refused()
