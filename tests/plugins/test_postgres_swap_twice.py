"""Two databases that both took writes: what a swap loses is told row by row, and one that has been live says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.plugins.postgres_swaps import NAME, Two, execute, planned, two
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.testing.clock import START
from warroom_postgres.choosing.databases import KeptChooser, RestoredChooser
from warroom_postgres.config import Config
from warroom_postgres.reach.place import place
from warroom_postgres.restoring.comparing import loss
from warroom_postgres.swapping.swap import Swap, SwapArgs

MESSAGES = """CREATE TABLE "Message" (id int PRIMARY KEY, "createdAt" timestamp(3), body text)"""
DUMPED = """INSERT INTO "Message" SELECT n, '2026-03-02 01:00', 'dumped' FROM generate_series(1, 20) n"""
"""An hour and more before the dump, which is from 02:00."""
LATER = """INSERT INTO "Message" SELECT n, '{}', 'later' FROM generate_series({}, {}) n"""


@pytest.fixture
def shop(door: Door, postgres: PostgresServer) -> Iterator[Two]:
    """The live one went on: rows 21 to 30."""
    with two(postgres) as made:
        door.secrets[NAME] = made.url()
        for name in (made.live, made.other):
            run(made, name, MESSAGES, DUMPED)
        run(made, made.live, LATER.format("2026-03-02 02:30", 21, 30))
        yield made


def run(shop: Two, name: str, *statements: str) -> None:
    with psycopg.connect(shop.url(name), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def restored(shop: Two, **more: Any) -> None:
    shop.mark(shop.other, **{"is": "scratch", "state": "restored", "archive": "sha256:5eed", **more})


async def test_a_number_that_both_gave_out_is_two_rows(door: Door, shop: Two) -> None:
    ctx = door.context("database", Config)
    run(shop, shop.live, """UPDATE "Message" SET body = 'damaged' WHERE id < 4""")
    run(shop, shop.live, """INSERT INTO "Message" VALUES (40, NULL, 'here')""")
    run(shop, shop.other, LATER.format("2026-03-02 02:45", 21, 23), """INSERT INTO "Message" VALUES (40, NULL, '')""")
    restored(shop, data=START - timedelta(hours=1))
    found = await loss(ctx, place(ctx), shop.other, timeout=30)
    (message,) = (table for table in found.tables if table.name == "Message")
    assert (message.here, message.there, message.changed) == (10, 3, 4), "a time that is not known may be any"
    assert "you lose 10 rows of Message since 2026-03-02 02:00 UTC; you get back 3 rows of Message; " in found.words()


async def test_since_is_never_later_than_what_the_dump_had(door: Door, shop: Two) -> None:
    ctx = door.context("database", Config)

    async def since() -> str:
        return (await loss(ctx, place(ctx), shop.other, timeout=30)).since

    restored(shop)
    assert await since() == "2026-03-02T01:00:00.000000Z"
    restored(shop, data=START)
    assert await since() == "2026-03-02T01:00:00.000000Z"
    run(shop, shop.other, LATER.format("2026-03-02 03:30", 50, 50))
    assert await since() == "2026-03-02T03:00:00.000000Z"
    restored(shop)
    assert await since() == "", "a row is newer than the restore, and nothing says from when the dump is"


async def test_one_that_has_been_live_says_so(door: Door, shop: Two) -> None:
    ctx = door.context("database", Config)
    _, preview = await planned(door)
    assert preview.unproven == ""
    assert preview.inverse is not None
    (done,) = await execute(door, *preview.calls)
    kept = Swap().outputs([done])["kept"]
    ((now,),) = shop.ask("SELECT clock_timestamp()")
    assert now - timedelta(seconds=60) <= shop.marked(kept).at <= now, "by the server, when it was done"
    shop.mark(kept, **{"is": "before", "state": "kept", "at": START})
    assert (await execute(door, *preview.inverse))[0].status == 0
    mark = shop.marked(shop.other)
    assert mark.served is not None
    begun, ended = mark.served
    ((now,),) = shop.ask("SELECT clock_timestamp()")
    assert (begun, now - timedelta(seconds=60) <= ended <= now) == (START, True), "since the other one was left"
    assert (mark.what, mark.state, mark.archive) == ("scratch", "restored", "sha256:5eed")
    words = f"was live {begun:%Y-%m-%d %H:%M}–"
    (option,) = await RestoredChooser().options(ctx)
    assert (option.verdict, words in option.words, "may have been written to" in option.words) == (
        "doubtful",
        True,
        True,
    )
    (option,) = await KeptChooser().options(ctx)
    assert (option.verdict, words in option.words) == ("doubtful", True)
    _, second = await planned(door)
    assert words in second.unproven
    assert second.inverse is not None
    assert [result.status for result in await execute(door, *second.calls, *second.inverse)] == [0, 0]
    again = shop.marked(shop.other).served
    assert again is not None
    assert (again[0], again[1] >= ended) == (begun, True), "from the first time on"


async def test_what_is_written_until_the_swap_is_told_by_its_result(door: Door, shop: Two) -> None:
    ctx = door.context("database", Config)
    app = psycopg.connect(shop.url(), autocommit=True, application_name="shop-web")
    facts, preview = await planned(door)
    compared_at = f"{datetime.fromisoformat(facts['compared']['at']):%H:%M:%S} UTC"
    assert preview.loses[0].startswith(f"compared at {compared_at}: you lose 10 rows of Message since ")
    assert preview.loses[1:] == (
        f"1 session in {shop.live} (1 of owner (shop-web) from 127.0.0.1) is ended, and who comes until then",
    )
    app.execute(LATER.format("2026-03-02 03:00:30", 31, 39).encode())
    assert (await Swap().check(ctx, SwapArgs(), facts)).outputs == {}, "nothing is swapped, nothing is counted"
    (done,) = await execute(door, *preview.calls)
    assert done.status == 0, done.text
    look = await Swap().check(ctx, SwapArgs(), facts)
    assert look.verdict == "done"
    assert preview.tells, "it stands in the pane, and not in the journal alone"
    assert look.seen.startswith(
        f"BEYOND the loss that was accepted: since the comparison at {compared_at} {facts['kept']} "
        "has 9 rows more of Message"
    )
    tables = {table["name"]: table for table in json.loads(look.outputs["tables"])}
    assert (tables["Message"]["here"], look.outputs["words"]) == (10, facts["lost"])
    assert preview.inverse is not None
    await execute(door, *preview.inverse)


async def test_a_swap_does_not_wait_for_what_takes_long_to_count(
    door: Door, shop: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = door.context("database", Config)
    facts, preview = await planned(door)
    assert preview.loses[-1] == f"every session in {shop.live} is ended: now there is none"
    (done,) = await execute(door, *preview.calls)
    assert done.status == 0, done.text
    monkeypatch.setattr("warroom_postgres.swapping.losing.COUNT_S", 0)
    look = await Swap().check(ctx, SwapArgs(), facts)
    assert look.verdict == "done"
    assert f"was not counted: counting takes longer than 0 s. Compare {facts['kept']} by hand" in look.seen
    monkeypatch.undo()
    assert f"{facts['kept']} has as many rows as at" in (await Swap().check(ctx, SwapArgs(), facts)).seen
    with psycopg.connect(shop.url(str(facts["kept"])), autocommit=True) as kept:
        kept.execute('DROP TABLE "Message"')
    gone = (await Swap().check(ctx, SwapArgs(), facts)).seen
    assert "was not counted: " in gone
