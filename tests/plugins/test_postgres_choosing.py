"""What a person chooses from, best first and each with its reason; and what it would lose, or that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.plugins.postgres_swaps import NAME, Two, two
from tests.plugins.prisma_database import filled
from tests.plugins.test_postgres_backups_finding import a_manifest
from tests.plugins.test_postgres_restore import PRISMA, vouched
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.api import Acted, BadInput, Option
from warroom.testing.clock import START
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.backups.listing import Backup
from warroom_postgres.backups.times import Made
from warroom_postgres.choosing.backups import BackupChooser, option
from warroom_postgres.choosing.databases import KeptChooser, RestoredChooser
from warroom_postgres.config import Config
from warroom_postgres.naming import name_for, quoted
from warroom_postgres.swapping.swap import Swap, SwapArgs

pytestmark = pytest.mark.needs("userns")


@pytest.fixture
def swapping(door: Door, newest_postgres: PostgresServer) -> Iterator[Two]:
    with two(newest_postgres) as made:
        door.secrets[NAME] = f"{made.url()}?schema=public"
        yield made


def shown(options: list[Option]) -> list[tuple[str, str]]:
    return [(option.title, option.verdict) for option in options]


async def test_the_newest_good_backup_from_before_the_damage_comes_first(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    with newest_postgres.database() as database, filled(database) as connection:
        door.secrets[NAME] = database
        good = vouched(newest_postgres, database, tmp_path / "b-before.dump", PRISMA)
        connection.execute("INSERT INTO \"User\" VALUES ('late', NULL)")
        vouched(newest_postgres, database, tmp_path / "c-after.dump", {**PRISMA, ("public", "User"): 21}).touch()
        aged(good, timedelta(hours=3))
        (tmp_path / "a-cut.dump").write_bytes(good.read_bytes()[:-100])
        (tmp_path / "d-unvouched.dump").write_bytes(good.read_bytes())
        ctx = door.context("database", Config, backups={"folders": [str(tmp_path)]})
        unknown = list(await BackupChooser().options(ctx))
        assert shown(unknown)[0] == ("c-after.dump", "good"), "the newest, as long as no moment is known"
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        options = list(await BackupChooser().options(replace(ctx, deployed=lambda: hour_ago)))
        assert shown(options) == [
            ("b-before.dump", "good"),
            ("d-unvouched.dump", "doubtful"),
            ("c-after.dump", "doubtful"),
            ("a-cut.dump", "refused"),
        ]
        words = {option.title: option.words for option in options}
        assert words["b-before.dump"] == "from before the release that failed; 42 rows in 4 tables"
        assert words["c-after.dump"].startswith("it is from after the release that failed: it may hold the damage")
        assert "no manifest" in words["d-unvouched.dump"]
        assert "cut short" in words["a-cut.dump"]
        assert (options[0].value, options[0].bytes) == (str(good), good.stat().st_size)
    with pytest.raises(BadInput, match="no folder of backups"):
        await BackupChooser().options(door.context("database", Config))


def aged(dump: Path, by: timedelta) -> None:
    """As it would be, had it been made so long ago."""
    told = manifests.read(dump)
    assert told is not None
    manifests.beside(dump).unlink()
    at = {"snapshot_at": told.snapshot_at - by, "finished_at": told.finished_at - by}
    manifests.write(told.model_copy(update=at), dump)


async def test_what_was_restored_is_called_by_its_dump_also_where_this_process_has_not_read_it(
    door: Door, swapping: Two, tmp_path: Path
) -> None:
    told = manifests.Manifest.model_validate(a_manifest(file="nightly.dump"))
    (tmp_path / "nightly.dump").write_bytes(b"PGDMP")
    manifests.write(told, tmp_path / "nightly.dump")
    swapping.mark(swapping.other, **{"is": "scratch", "state": "restored", "archive": told.sha256})
    ctx = door.context("database", Config, backups={"folders": [str(tmp_path)]})
    assert (await RestoredChooser().options(ctx))[0].words == "restored from nightly.dump"


async def test_what_was_restored_comes_before_what_was_live(door: Door, swapping: Two) -> None:
    left, unfinished, begun = (name_for(swapping.live, "scratch", START, f"0000000{n}") for n in (1, 2, 3))
    swapping.mark(swapping.other, **{"is": "scratch", "state": "restored", "archive": "sha256:5eed"})
    for name, what, state in ((left, "before", "kept"), (unfinished, "scratch", "restoring")):
        swapping.make(name, "beside")
        swapping.mark(name, **{"is": what, "state": state})
    swapping.make(begun, "nothing")
    ctx = door.context("database", Config)
    restored = list(await RestoredChooser().options(ctx))
    assert [(option.value, option.verdict) for option in restored] == [
        (swapping.other, "good"),
        (left, "doubtful"),
        (begun, "refused"),
        (unfinished, "refused"),
    ]
    assert restored[0].words == "restored from the dump 5eed"
    assert restored[1].words.startswith("it was live until 2026-")
    assert all("not restored to its end" in option.words for option in restored[2:])
    kept = list(await KeptChooser().options(ctx))
    assert [(option.value, option.verdict) for option in kept] == [
        (unfinished, "good"),
        (begun, "doubtful"),
        (swapping.other, "good"),
        (left, "doubtful"),
    ]
    assert [option.called for option in kept] == ["", "", "", "unique"], "what dropping it would take for good"
    assert (kept[1].title, "it bears no mark" in kept[1].words) == ("begun and not finished, 00000003", True)
    assert swapping.live not in {option.value for option in kept}
    swapping.beside.execute(f"ALTER DATABASE {quoted(swapping.other)} CONNECTION LIMIT 3".encode())
    refused = {option.value: option for option in await RestoredChooser().options(ctx)}[swapping.other]
    assert (refused.verdict, "settings of" in refused.words) == ("refused", True)


def test_what_nothing_vouches_for_is_told_to_be_from_after_the_damage_too() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    made = Made(earliest=at, latest=at, by="name")
    told = {"verdict": "scratch-only", "reasons": ("has no manifest",), "format": "plain", "made": made}
    kept = Backup.model_validate({"path": "/b/a.sql.gz", "name": "a.sql.gz", "bytes": 1, **told})
    late = kept.model_copy(update={"before": {"deploy": "unclear", "migration": "after"}})
    assert option(late).words == (
        "it has no manifest; it is from after the failed migration: it may hold the damage; "
        "whether it is from before the release that failed is unclear; "
        "its data is of 2026-01-02 00:00 UTC by its name"
    )
    assert option(kept).words == "it has no manifest; its data is of 2026-01-02 00:00 UTC by its name"
    assert (option(kept).verdict, option(late).verdict) == ("doubtful", "doubtful")
    torn = made.model_copy(update={"latest": at.replace(hour=9), "doubt": "its name says 00:00, its header 09:00"})
    doubted = option(kept.model_copy(update={"made": torn}))
    assert (doubted.at, "its name says 00:00, its header 09:00" in doubted.words) == (None, True), "no one time is told"


async def test_what_cannot_be_compared_in_time_is_unknown_with_what_to_do(
    door: Door, swapping: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx, oid = door.context("database", Config), swapping.oids[swapping.other]
    monkeypatch.setattr("warroom_postgres.swapping.losing.LOOK_S", 0)

    def compared(of: int) -> Acted:
        told = {"oid": str(of), "words": "you lose 41 rows of User"}
        return Acted(operation="compare", facts={}, undone=False, at=ctx.clock.now(), outputs=told)

    unknown = "what would be lost is UNKNOWN: comparing the two takes longer than 0 s. "
    facts = await Swap().facts(replace(ctx, acted=lambda: (compared(oid + 1),)), SwapArgs())
    assert str(facts["lost"]).startswith(f"{unknown}Compare it first"), "another one was compared"
    facts = await Swap().facts(replace(ctx, acted=lambda: (compared(oid),)), SwapArgs())
    assert str(facts["lost"]).startswith(f"{unknown}It was compared 0 s ago: you lose 41 rows of User")
    assert Swap().preview(ctx.config, SwapArgs(), facts).loses[0] == facts["lost"]


async def test_of_many_backups_those_from_before_the_damage_are_read_first(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom_postgres.choosing.backups.AT_ONCE", 1)
    for day in (1, 5, 9):
        (tmp_path / f"shop_2026010{day}.dump").write_bytes(b"PGDMP and no more of day %d" % day)
    with newest_postgres.database() as database:
        door.secrets[NAME] = database
        ctx = door.context("database", Config, backups={"folders": [str(tmp_path)], "zone": "UTC"})
        damaged = replace(ctx, deployed=lambda: datetime(2026, 1, 3, tzinfo=UTC))
        first = {option.title: option.words for option in await BackupChooser().options(damaged)}
        unread = {name for name, words in first.items() if "not read through yet" in words}
        assert unread == {"shop_20260105.dump", "shop_20260109.dump"}
        second = {option.title: option.words for option in await BackupChooser().options(damaged)}
        assert "not read through yet" not in second["shop_20260109.dump"], "each look goes on"
